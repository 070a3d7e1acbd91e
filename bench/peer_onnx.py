"""ONNX Runtime's and OpenVINO's side of a row, on a file that peer_torch.py exported.

    onnxruntime|openvino FILE BATCH THREADS SIZE [--bf16]
    predict FILE PICTURE THREADS                             ONNX Runtime, a whole process
"""
import sys
import time

import numpy as np

LEAST_SECONDS = .5


def session_of(path, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def onnxruntime_call(path, x, threads, bf16):
    session = session_of(path, threads)
    return lambda: session.run(None, {"x": x})


def openvino_call(path, x, threads, bf16):
    import openvino
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape(list(x.shape))
    request = core.compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32"}).create_infer_request()
    return lambda: request.infer([x])


def seconds_of(call):
    began, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - began < LEAST_SECONDS:
        call()
        count += 1
    return (time.perf_counter() - began) / count


def predict(path, picture, threads):
    from PIL import Image
    image = Image.open(picture).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize([max(256, int(side * scale)) for side in image.size], Image.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    logits = session_of(path, threads).run(None, {"x": ((pixels - 127) / 128).transpose(2, 0, 1)[None]})[0]
    print(logits.argmax())


def main():
    work, path, *words = sys.argv[1:]
    if work == "predict":
        return predict(path, words[0], int(words[1]))
    batch, threads, size = map(int, words[:3])
    x = np.random.default_rng(0).standard_normal((batch, 3, size, size), np.float32)
    call = {"onnxruntime": onnxruntime_call, "openvino": openvino_call}[work](path, x, threads, "--bf16" in words)
    call()
    print("ready", flush=True)
    for _ in sys.stdin:
        print("%.9f" % seconds_of(call), flush=True)


main()
