"""What made a figure: the machine, PyTorch with its BLAS and vector instructions, threads."""
import json
import os
import platform
import re
import subprocess
import sys


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        return re.search(r"model name\s*:\s*(.*)", stream.read()).group(1)


def loaded_blas():
    """The BLAS that this process really runs on: Debian's PyTorch takes whichever libblas.so.3 points to."""
    with open("/proc/self/maps", encoding="utf-8") as stream:
        return sorted({line.split()[-1] for line in stream if re.search(r"lib(open)?blas", line)})


def of_torch(threads):
    """Sets PyTorch's threads, and says what it is."""
    import torch
    import torchvision
    torch.set_num_threads(threads)
    capability = re.search(r"CPU capability usage: (\S+)", torch.__config__.show()).group(1)
    return {"processor": processor(), "python": platform.python_version(), "torch": torch.__version__,
            "torchvision": torchvision.__version__, "blas": loaded_blas(), "CPU capability": capability,
            "threads": torch.get_num_threads()}


def asked_of_torch(threads):
    """The same, where this process is to stay small."""
    program = "import json, machine; print(json.dumps(machine.of_torch(%d)))" % threads
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True,
                          cwd=os.path.dirname(os.path.abspath(__file__)))
    return json.loads(said.stdout)


def of_graft(binary, threads):
    version = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    return {"processor": processor(), "graft": version, "threads": threads}
