"""What graft is timed against, and where it is installed.

    debian        Debian's PyTorch 1.13 and torchvision, on libopenblas0-openmp
    current       today's PyTorch and torchvision
    onnxruntime   ONNX Runtime
    openvino      OpenVINO
    opencv        OpenCV, for pictures
    simd          Pillow-SIMD, for pictures

All but Debian's are installed by pip into graft's cache: about 6 GB, nearly all of it PyTorch's libraries for GPUs, which
its package needs even where there is none. Those that cannot be had are left out with a word."""
import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ALL = ["debian", "current", "onnxruntime", "openvino", "opencv", "simd"]
SIZES = {"current": "5.2 GB", "onnxruntime": "60 MB", "openvino": "200 MB", "opencv": "180 MB", "simd": "30 MB"}
PACKAGES = {"current": ["torch", "torchvision"], "onnxruntime": ["onnxruntime", "pillow"], "openvino": ["openvino"],
            "opencv": ["opencv-python-headless"], "simd": ["pillow-simd"]}
MODULES = {"current": "torchvision", "onnxruntime": "onnxruntime", "openvino": "openvino", "opencv": "cv2",
           "simd": "PIL"}


def folder():
    """Shared by all source trees, as the weights are."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "graft", "peers")


def python_of(peer):
    """Pillow-SIMD is another package of the same module, so it has a folder of its own."""
    if peer == "debian":
        return "/usr/bin/python3"
    return os.path.join(folder(), "simd" if peer == "simd" else "current", "bin", "python3")


def environment_of(peer):
    """What it needs to compile goes into the cache too, so that the next time is short."""
    return {"TORCHINDUCTOR_CACHE_DIR": os.path.join(folder(), "inductor")} if peer == "current" else {}


def has(peer):
    python = python_of(peer)
    module = "torchvision" if peer == "debian" else MODULES[peer]
    return os.path.exists(python) and subprocess.run([python, "-c", "import " + module], capture_output=True,
                                                     check=False).returncode == 0


def install(peer):
    python = python_of(peer)
    print("    %s: %s" % (peer, " ".join(PACKAGES[peer])), flush=True)
    place = os.path.dirname(os.path.dirname(python))
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES[peer]], check=False)
    if done.returncode != 0:
        print("    %s cannot be installed and is left out" % peer, flush=True)


def present(wanted):
    return [peer for peer in wanted if has(peer)]


def about(peer, threads):
    """Its version and what it runs on, said by itself."""
    program = "import json, machine; print(json.dumps(machine.of_%s(%d)))" % (
        "torch" if peer in ("debian", "current") else peer, threads)
    said = subprocess.run([python_of(peer), "-c", program], check=True, capture_output=True, text=True, cwd=HERE,
                          env=dict(os.environ, OMP_NUM_THREADS=str(threads)))
    return json.loads(said.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="*", metavar="PEER", help="all where none is named")
    wanted = parser.parse_args().peers or ALL
    if unknown := set(wanted) - set(ALL):
        parser.error("no such peer: " + ", ".join(sorted(unknown)))
    missing = [peer for peer in wanted if peer != "debian" and not has(peer)]
    if missing:
        print("installing into %s:" % folder())
        print("    " + ", ".join("%s (about %s)" % (peer, SIZES[peer]) for peer in missing) +
              '; BENCH_PEERS="debian" does without', flush=True)
    for peer in missing:
        install(peer)


if __name__ == "__main__":
    main()
