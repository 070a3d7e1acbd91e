"""Every source of the library and the command is clean in clang too: check_warnings.py BUILD (with its compile_commands.json)."""
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

UNKNOWN_TO_CLANG = ("-fsanitize", "--coverage", "-fno-sanitize")


def command_of(entry):
    words = shlex.split(entry["command"])
    words = words[next(i for i, word in enumerate(words) if os.path.basename(word) in ("cc", "gcc", "clang")) + 1:]
    kept = [word for word in words if not word.startswith(UNKNOWN_TO_CLANG)]
    out = kept.index("-o")
    del kept[out:out + 2]
    return ["clang", "-fsyntax-only", "-Werror", *kept]


def main():
    with open(os.path.join(sys.argv[1], "compile_commands.json"), encoding="utf-8") as stream:
        entries = [entry for entry in json.load(stream) if "/src/" in entry["file"]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(lambda entry: subprocess.run(command_of(entry), cwd=entry["directory"], text=True,
                                                          capture_output=True), entries))
    errors = [one.stderr for one in done if one.returncode]
    print("".join(errors) or f"{len(done)} sources are clean")
    return 1 if errors or not entries else 0


sys.exit(main())
