"""The floors: each folder of src/ includes only folders below it; only kernels/ knows oneDNN; the command knows the public
headers only; each public header compiles alone as C11 and as C++17."""
import os
import re
import subprocess
import sys

FLOORS = ["base", "tensor", "image", "formats", "graph", "kernels", "ops", "zoo", "model", "plan", "data", "train",
          "report", "cli"]
ALONE = {"cli": {"cli"}}


def includes(path):
    with open(path, encoding="utf-8") as stream:
        return re.findall(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', stream.read(), re.M)


def check_file(root, path, errors):
    relative = os.path.relpath(path, os.path.join(root, "src"))
    floor = relative.split(os.sep)[0]
    allowed = ALONE.get(floor, set(FLOORS[: FLOORS.index(floor) + 1]))
    for kind, name in includes(path):
        target = name.split("/")[0]
        if kind == '"' and (target not in FLOORS or target not in allowed):
            errors.append(f"src/{relative} includes {name}: {floor}/ may not know {target}/")
        if name.startswith(("dnnl", "oneapi")) and floor != "kernels":
            errors.append(f"src/{relative} includes {name}: only kernels/ knows oneDNN")


def check_header(root, name, errors):
    text = f"#include <graft/{name}>\n"
    for compiler, standard, language in (("gcc", "c11", "c"), ("g++", "c++17", "c++")):
        done = subprocess.run([compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I",
                               os.path.join(root, "include"), "-fsyntax-only", "-x", language, "-"],
                              input=text, text=True, capture_output=True)
        if done.returncode:
            errors.append(f"graft/{name} does not compile alone as {standard}: {done.stderr}")


def main():
    root = sys.argv[1]
    errors = []
    for folder, _, names in os.walk(os.path.join(root, "src")):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                check_file(root, os.path.join(folder, name), errors)
    for name in sorted(os.listdir(os.path.join(root, "include", "graft"))):
        check_header(root, name, errors)
    print("\n".join(errors))
    return 1 if errors else 0


sys.exit(main())
