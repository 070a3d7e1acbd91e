"""make.py FOLDER: values to compare with, made by PyTorch and Pillow. Each make_*.py beside this file has a function
make(folder). What was made by the same scripts before is kept."""
import hashlib
import importlib
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    folder = os.path.abspath(sys.argv[1])
    sys.path.insert(0, HERE)
    names = sorted(name for name in os.listdir(HERE) if name.startswith("make_") and name.endswith(".py"))
    for name in names:
        target = os.path.join(folder, name[len("make_"):-len(".py")])
        with open(os.path.join(HERE, name), "rb") as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
        stamp = os.path.join(target, "made-by")
        if os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == digest:
            continue
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target)
        importlib.import_module(name[:-len(".py")]).make(target)
        with open(stamp, "w", encoding="utf-8") as stream:
            stream.write(digest)


main()
