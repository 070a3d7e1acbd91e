"""check_state_dict.py FILE PIXELS LOGITS COUNT: a model.safetensors that graft saved, read by hand, loads into PyTorch's module
with strict=True and gives graft's logits (COUNT of them) for the first picture of PIXELS."""
import json
import struct
import sys

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

DTYPES = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}


def read(path):
    with open(path, "rb") as stream:
        data = stream.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    assert header.pop("__metadata__")["graft.network"] == "efficientnet_lite0"
    out = {}
    for name, about in header.items():
        begin, end = about["data_offsets"]
        values = np.frombuffer(data[8 + size + begin:8 + size + end], DTYPES[about["dtype"]])
        out[name] = torch.tensor(values.reshape(about["shape"]).copy())
    return out


def main():
    path, pixels, logits, count = sys.argv[1:]
    state = read(path)
    network = EfficientNet.from_name("efficientnet-lite0", num_classes=int(count)).eval()
    network.load_state_dict(state, strict=True)
    picture = torch.tensor(np.fromfile(pixels, np.uint8, 224 * 224 * 3)).reshape(1, 224, 224, 3).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = network((picture.float() - 127) / 128)[0]
    got = torch.tensor(np.fromfile(logits, "<f4", int(count)))
    distance = ((got - expected).norm() / expected.norm()).item()
    print(f"state dict of {len(state)} tensors, logits differ by {distance:.2g}")
    return 0 if distance < 1e-5 else 1


sys.exit(main())
