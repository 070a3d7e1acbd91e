"""What made a figure: the machine, PyTorch with its BLAS and vector instructions, threads."""
import os
import platform
import re
import subprocess


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        return re.search(r"model name\s*:\s*(.*)", stream.read()).group(1)


def name():
    """Of the file that this machine's results are in."""
    words = "%s %d cores" % (re.sub(r"\(\w+\)|\bCPU\b|\bProcessor\b|@.*", "", processor()), os.cpu_count())
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def of_machine():
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        flags = set(re.search(r"flags\s*:\s*(.*)", stream.read()).group(1).split())
    with open("/proc/meminfo", encoding="utf-8") as stream:
        memory = int(re.search(r"MemTotal:\s*(\d+)", stream.read()).group(1)) * 1024
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return {"processor": processor(), "cores": os.cpu_count(), "memory": memory, "system": platform.platform(),
            "instructions": [flag for flag in wanted if flag in flags]}


def loaded_blas():
    """The BLAS that this process really runs on: Debian's PyTorch takes whichever libblas.so.3 points to."""
    with open("/proc/self/maps", encoding="utf-8") as stream:
        paths = {line.split()[-1] for line in stream if re.search(r"/lib(open)?blas[^/]*$", line)}
    return sorted("/".join(path.split("/")[-2:]) for path in paths)


def environment():
    """What was set here and changes how fast a BLAS is."""
    return {key: value for key, value in os.environ.items() if re.match("OPENBLAS_|MKL_|ONEDNN_|DNNL_|OMP_", key)}


def of_torch(threads):
    """Sets PyTorch's threads, and says what it is."""
    import torch
    import torchvision
    torch.set_num_threads(threads)
    said = torch.__config__.show()
    capability = re.search(r"CPU capability usage: (\S+)", said).group(1)
    onednn = re.search(r"MKL-DNN (v\S+)", said)
    mkl = re.findall(r"Math Kernel Library Version (\S+)", said)
    return {"processor": processor(), "python": platform.python_version(), "torch": torch.__version__,
            "torchvision": torchvision.__version__, "blas": loaded_blas() + ["MKL " + version for version in mkl],
            "oneDNN": onednn.group(1) if onednn else None, "CPU capability": capability,
            "threads": torch.get_num_threads(), "environment": environment()}


def of_onnxruntime(threads):
    import onnxruntime
    return {"onnxruntime": onnxruntime.__version__, "threads": threads}


def of_openvino(threads):
    import openvino
    return {"openvino": openvino.__version__, "threads": threads}


def of_opencv(threads):
    import cv2
    return {"opencv": cv2.__version__, "threads": 1}


def of_simd(threads):
    import PIL
    return {"pillow-simd": PIL.__version__, "threads": 1}


def of_graft(binary, threads):
    version = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], check=False, capture_output=True, text=True,
                            cwd=os.path.dirname(os.path.abspath(__file__))).stdout.strip()
    return {"processor": processor(), "graft": version.split()[-1], "commit": commit, "threads": threads}
