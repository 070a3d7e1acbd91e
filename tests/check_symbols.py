"""Every symbol that the shared library exports begins with graft_ and stands in a public header; every global symbol of the
static library begins with graft_."""
import os
import re
import subprocess
import sys


def symbols(arguments):
    lines = subprocess.run(["nm", *arguments], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[-1] for line in lines if re.search(r" [TDBRV] ", line)}


def main():
    root, static, shared = sys.argv[1:4]
    headers = ""
    for name in os.listdir(os.path.join(root, "include", "graft")):
        with open(os.path.join(root, "include", "graft", name), encoding="utf-8") as stream:
            headers += stream.read()
    errors = [f"{s} is exported and in no public header" for s in symbols(["-D", "--defined-only", shared])
              if not re.search(rf"\b{s}\b", headers)]
    errors += [f"{s} is global and does not begin with graft_" for s in symbols(["--defined-only", "-g", static])
               if not s.startswith(("graft_", "__gcov", "__asan", "__odr_asan"))]
    print("\n".join(sorted(errors)))
    return 1 if errors else 0


sys.exit(main())
