"""Checkpoints as PyTorch writes them, and as it wrote them long ago, and what torch.load makes of them.

weights/files.txt has a line a file:
    same NAME         NAME.txt has a line a tensor in order: NAME DTYPE DIMS HEX, where DIMS is "2,3" or "-" for a
                       scalar and HEX its dense bytes, "-" for none
    fail NAME|WORDS   opening fails with a message that contains WORDS
weights/all.safetensors is what the writer must write, to the byte.
"""
import collections
import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile

import numpy as np
import torch

warnings.simplefilter("ignore")

NAMES = {torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16", torch.int8: "i8",
         torch.int16: "i16", torch.int32: "i32", torch.int64: "i64", torch.uint8: "u8", torch.bool: "bool"}
MAGIC = 0x1950A86A20F9469CFC6C
NEGATIVE = b"}X\3\0\0\0neg\x88s"  # the metadata of a view whose elements are to be negated


# ---- state dicts


def numbers(*shape):
    count = int(np.prod(shape)) if shape else 1
    return (torch.arange(count, dtype=torch.float32) * 0.37 - 1.5).reshape(shape)


def every_type():
    values = numbers(3, 2) * 10
    return {NAMES[dtype]: (values > 0 if dtype == torch.bool else values.abs().to(dtype)) for dtype in NAMES}


def every_shape():
    pool = numbers(60)
    picture = numbers(2, 3, 4, 5)
    return collections.OrderedDict([
        ("scalar", torch.tensor(3, dtype=torch.int64)), ("scalar.f32", torch.tensor(-0.0)),
        ("empty", torch.zeros(0)), ("empty.rows", torch.zeros(0, 3)), ("empty.columns", torch.zeros(2, 0, 4)),
        ("transposed", numbers(4, 3).t()), ("permuted", picture.permute(3, 0, 2, 1)),
        ("many.columns", numbers(21, 35).t()), ("as.tensorflow", numbers(3, 2, 5, 19).permute(3, 2, 0, 1)),
        ("channels_last", picture.clone().to(memory_format=torch.channels_last)),
        ("shared.first", pool[:12].view(3, 4)), ("shared.second", pool[12:20]), ("shared.again", pool[10:20]),
        ("stepped", pool[5:50:7]), ("columns", pool.view(6, 10)[:, 3:7]), ("diagonal", pool[:25].view(5, 5).diagonal()),
        ("expanded", pool[7:8].expand(3, 4)), ("one.row", pool.as_strided((1, 4), (59, 2), 3)),
        ("sliced.halves", numbers(9).half()[1::2]), ("sliced.bytes", torch.arange(30, dtype=torch.uint8)[3::4]),
        ("flag", torch.tensor([True, False, True])[::2]),
        ("eight", numbers(1, 2, 1, 2, 1, 2, 1, 2)), ("parameter", torch.nn.Parameter(numbers(2, 2))),
        ("frozen", torch.nn.Parameter(numbers(2, 2).t(), requires_grad=False)), ("ümläut.名前", numbers(1)),
        ("special", torch.tensor([float("nan"), float("inf"), -float("inf"), 1e-45])),
    ])


def module():
    torch.manual_seed(0)
    return torch.nn.Sequential(collections.OrderedDict(conv=torch.nn.Conv2d(3, 4, 3), bn=torch.nn.BatchNorm2d(4),
                                                       fc=torch.nn.Linear(4, 2)))


def under_module(state):
    return collections.OrderedDict(("module." + name, value) for name, value in state.items())


def training():
    net = module()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return {"epoch": 7, "arch": "small", "best": torch.tensor(0.5), "done": False, "history": [1.5, 2.5, None],
            "seed": -3_000_000_000, "small": -200, "large": 70_000, "shape": torch.Size([2, 3]), "dtype": torch.float16,
            "optimizer": optimizer.state_dict(), "pair": (1, 2), "three": (1, 2, 3), "many": (1, 2, 3, 4),
            "state_dict": under_module(net.state_dict())}


def averaged():
    state = under_module(module().state_dict())
    state["n_averaged"] = torch.tensor(12)
    return state


# ---- pickles that this torch does not write


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def old_text(value):
    return b"U" + struct.pack("<B", len(value)) + value.encode()


def integer(value):
    return b"J" + struct.pack("<i", value) if abs(value) < 1 << 31 else b"\x8a\x08" + struct.pack("<q", value)


def sequence(values):
    return b"(" + b"".join(integer(value) for value in values) + b"t"


def storage_id(kind, key, count, view=None, write=text):
    extra = b"" if view is None else b"N" if view == "none" else b"(" + write(view[0]) + sequence(view[1:])[1:]
    return (b"(" + write("storage") + b"ctorch\n" + kind.encode() + b"\n" + write(key) + write("cpu") +
            integer(count) + extra + b"tQ")


def tensor(storage, offset, size, stride, old=False):
    name = b"_rebuild_tensor" if old else b"_rebuild_tensor_v2"
    tail = b"" if old else b"\x89ccollections\nOrderedDict\n)R"
    return (b"ctorch._utils\n" + name + b"\n(" + storage + integer(offset) + sequence(size) + sequence(stride) + tail +
            b"tR")


def ordered(items, write=text):
    return b"ccollections\nOrderedDict\n)R(" + b"".join(write(name) + value for name, value in items) + b"u"


def ordered_python2(items):
    pairs = b"".join(b"](" + old_text(name) + value + b"e" for name, value in items)
    return b"ccollections\nOrderedDict\n](" + pairs + b"e\x85R"


def legacy_bytes(program, storages, little=True):
    system = {"protocol_version": 1001, "little_endian": little, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps(system, 2)
    keys = pickle.dumps([key for key, _ in storages], 2)
    data = b"".join(struct.pack("<q", len(values)) + values.tobytes() for _, values in storages)
    return head + b"\x80\x02" + program + b"." + keys + data


def zip_bytes(program, storages, more=(), method=zipfile.ZIP_STORED, folder="old name"):
    out = io.BytesIO()
    entries = [("data.pkl", b"\x80\x02" + program + b"."), *more, ("version", b"3\n")]
    entries += [("data/" + key, values.tobytes()) for key, values in storages]
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in entries:  # a ZipInfo has a fixed date
            info = zipfile.ZipInfo(name[1:] if name.startswith("/") else folder + "/" + name)
            archive.writestr(info, data, method)
    return out.getvalue()


def by_hand():
    """name -> bytes; torch.load must read each of them too."""
    pool = np.arange(10, dtype="<f4")
    ints = np.array([5, 6], "<i8")
    whole = {view: [("a.weight", tensor(storage_id("FloatStorage", "k9", 10, view), 2, [2, 3], [3, 1])),
                    ("a.count", tensor(storage_id("LongStorage", "k10", 2, view), 1, [], [])),
                    ("b.weight", tensor(storage_id("FloatStorage", "k9", 10, view), 0, [3, 2], [1, 3]))]
             for view in (None, "none")}
    old = [("a.weight", tensor(storage_id("FloatStorage", "k9", 10, "none", old_text), 2, [2, 3], [3, 1], True)),
           ("a.count", tensor(storage_id("LongStorage", "k10", 2, "none", old_text), 1, [], [], True))]
    parts = [("low", tensor(storage_id("FloatStorage", "k9", 10, ("low", 0, 4)), 1, [3], [1])),
             ("high", tensor(storage_id("FloatStorage", "k9", 10, ("high", 4, 6)), 1, [2, 2], [1, 2]))]
    storages = [("k10", ints), ("k9", pool)]
    new = [("byteorder", "little"), (".format_version", "1"), (".storage_alignment", "64"),
           (".data/serialization_id", "0" * 40)]
    return {
        "hand.zip.pth": zip_bytes(ordered(whole[None]), storages, new),
        "hand.legacy.pth": legacy_bytes(ordered(whole["none"]), storages),
        "python2.legacy.pth": legacy_bytes(ordered_python2(old), storages),
        "python2.setitems.legacy.pth": legacy_bytes(ordered(old, old_text), storages),
        "parts.legacy.pth": legacy_bytes(ordered(parts), [("k9", pool)]),
    }


# ---- files that are refused


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/graft-was-here",)


def saved(value, **options):
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def script():
    out = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), out)
    return out.getvalue()


def tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=tarfile.PAX_FORMAT) as archive:
        for name in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"1234"))
    return out.getvalue()


def array():
    out = io.BytesIO()
    np.save(out, np.arange(3))
    return out.getvalue()


def itself():
    loop = {}
    loop["state_dict"] = loop
    return loop


def one(value, **options):
    return saved({"x": value}, **options)


def wrong_tensors():
    """name -> (program of one tensor over the storage 0 of 4 floats, words of the message)"""
    good = storage_id("FloatStorage", "0", 4)
    huge = 1 << 62
    call = tensor(good, 0, [4], [1])

    def calling(name, *arguments):
        return b"ctorch._utils\n" + name + b"\n(" + b"".join(arguments) + b"tR"

    def stored(storage):
        return tensor(storage, 0, [4], [1])

    return {
        "negative size": (tensor(good, 0, [-1], [1]), "the tensor w: its size or stride is not"),
        "negative stride": (tensor(good, 0, [2], [-1]), "its size or stride is not"),
        "negative offset": (tensor(good, -1, [2], [1]), "its offset, size and stride"),
        "text size": (tensor(good, 0, [4], [1]).replace(integer(4) + b"t" + b"(", text("4") + b"t" + b"("), "its size or"),
        "list size": (tensor(good, 0, [4], [1]).replace(sequence([4]), b"]"), "its offset, size and stride"),
        "other rank": (tensor(good, 0, [2, 2], [1]), "its offset, size and stride"),
        "large offset": (tensor(good, 2, [3], [1]), "reaches beyond its storage of 4 elements"),
        "large size": (tensor(good, 0, [5], [1]), "reaches beyond"),
        "large stride": (tensor(good, 0, [2], [4]), "reaches beyond"),
        "endless stride": (tensor(good, 0, [3], [huge]), "reaches beyond"),
        "endless offset": (tensor(good, (1 << 63) - 1, [2], [1]), "reaches beyond"),
        "endless size": (tensor(good, 0, [huge, huge], [0, 0]), "is too large"),
        "endless and empty": (tensor(good, 0, [huge, huge, 0], [0, 0, 1]), "is too large"),
        "not a storage": (tensor(text("x"), 0, [4], [1]), "is made of a text, not of a storage"),
        "no arguments": (calling(b"_rebuild_tensor_v2"), "is made of 0 arguments"),
        "five arguments": (calling(b"_rebuild_tensor", good, integer(0), b")))"), "is made of 5 arguments"),
        "eight arguments": (call[:-2] + b"NNtR", "is made of 8 arguments"),
        "parameter of nothing": (calling(b"_rebuild_parameter", b"N\x89N"), "a parameter that is not made of a tensor"),
        "parameter alone": (calling(b"_rebuild_parameter", call), "a parameter that is not"),
        "parameter twice": (calling(b"_rebuild_parameter", calling(b"_rebuild_parameter", call, b"\x89N"), b"\x89N"),
                            "a parameter that is not"),
        "a storage": (good, "its entry w is a storage"),
        "a type": (b"ctorch\nfloat32\n", "its entry w is a type"),
        "id of nothing": (stored(b"NQ"), "that is no storage"),
        "id of another kind": (stored(good.replace(b"storage", b"machine")), "that is no storage"),
        "id of four": (stored(good.replace(integer(4), b"")), "that is no storage"),
        "id of seven": (stored(good.replace(b"tQ", b"NNtQ")), "that is no storage"),
        "id with a number for a key": (stored(good.replace(text("0"), integer(0))), "that is no storage"),
        "id with a zero byte": (stored(storage_id("FloatStorage", "0\0x", 4)), "that is no storage"),
        "id of minus one": (stored(storage_id("FloatStorage", "0", -1)), "that is no storage"),
        "id of a part": (stored(storage_id("FloatStorage", "0", 4, ("v", -1, 4))), "a part of a storage wrongly"),
        "a part beyond": (stored(storage_id("FloatStorage", "0", 4, ("v", 2, 3))), "elements 2 to 5 of a storage of 4"),
        "beyond its part": (stored(storage_id("FloatStorage", "0", 4, ("v", 1, 3))), "its storage of 3 elements"),
        "endless storage": (stored(storage_id("FloatStorage", "0", huge)), "cannot be"),
        "unknown storage": (stored(storage_id("TextStorage", "0", 4)), "torch.TextStorage"),
        "type for a storage": (stored(good.replace(b"FloatStorage", b"float32")), "has a type for a type"),
        "two types": (call + b"\x85" + stored(storage_id("IntStorage", "0", 4)), "two sizes or element types"),
        "two sizes": (call + b"\x85" + stored(storage_id("FloatStorage", "0", 3)), "two sizes or element types"),
    }


def refused():
    """name -> (bytes, words of the message)"""
    legacy = {"_use_new_zipfile_serialization": False}
    pool = np.arange(4, dtype="<f4")
    weight = [("w", tensor(storage_id("FloatStorage", "0", 4), 0, [4], [1]))]
    twice = [("w", weight[0][1]), ("w", weight[0][1])]
    good = one(numbers(5))
    return {
        "complex.pth": (one(torch.zeros(2, dtype=torch.complex64)), "torch.ComplexFloatStorage"),
        "complex.legacy.pth": (one(torch.zeros(2, dtype=torch.complex64), **legacy), "torch.ComplexFloatStorage"),
        "quantised.pth": (one(torch.quantize_per_tensor(numbers(4), 0.1, 0, torch.qint8)), "_rebuild_qtensor"),
        "sparse.pth": (one(torch.eye(3).to_sparse()), "_rebuild_sparse_tensor"),
        "negative.pth": (zip_bytes(ordered([("w", weight[0][1][:-2] + NEGATIVE + b"tR")]), [("0", pool)]), "negative bit"),
        "nine.pth": (one(numbers(1, 1, 1, 1, 1, 1, 1, 1, 2)), "the tensor x: has 9 dimensions"),
        "expanded.pth": (one(torch.zeros(1).expand(1 << 40)), "eight times"),
        "whole.pth": (saved(module()), "torch.nn.modules.container.Sequential"),
        "whole.legacy.pth": (saved(module(), **legacy), "asks for"),
        "evil.pth": (saved(Evil()), "asks for posix.system"),
        "evil.legacy.pth": (saved(Evil(), **legacy), "asks for posix.system"),
        "protocol4.pth": (one(numbers(2), pickle_protocol=4), "protocol 2"),
        "protocol3.legacy.pth": (one(numbers(2), pickle_protocol=3, **legacy), "protocol 3"),
        "protocol4.legacy.pth": (one(numbers(2), pickle_protocol=4, **legacy), "protocol 4"),
        "pickle.pth": (pickle.dumps({"x": 1}, 2), "a Python pickle"),
        "list.pth": (saved([numbers(2)]), "holds a list, not a state dict"),
        "tensor.pth": (saved(numbers(2)), "holds a tensor, not a state dict"),
        "number.pth": (saved({"x": numbers(2), "epoch": 3}), "its entry epoch is a number, not a tensor"),
        "unknown.pth": (saved({"net": {"x": numbers(2)}}), "its entry net is a dict, not a tensor"),
        "keys.pth": (saved({3: numbers(2)}), "a number is a key"),
        "itself.pth": (saved(itself()), "not a tensor"),
        "huge number.pth": (saved({"x": 1 << 80}), "a number of 11 bytes"),
        "script.pt": (script(), "is compressed: not written by torch.save (a TorchScript program?)"),
        "compressed.pth": (zip_bytes(ordered(weight), [("0", pool)], (), zipfile.ZIP_DEFLATED),
                           "its entry old name/data.pkl is compressed"),
        "zero byte.pth": (zip_bytes(ordered([("a\0b", weight[0][1])]), [("0", pool)]), "has a zero byte"),
        "long name.pth": (zip_bytes(ordered([("a" * 70000, weight[0][1])]), [("0", pool)]), "is longer than 65535"),
        "more.pth": (zip_bytes(ordered(weight) + b".N", [("0", pool)]), "something follows the pickle"),
        "big.pth": (zip_bytes(ordered(weight), [("0", pool)], [("byteorder", "big")]), "big-endian"),
        "big.legacy.pth": (legacy_bytes(ordered(weight), [("0", pool)], False), "big-endian"),
        "two.pth": (zip_bytes(ordered(weight), [("0", pool)], [("/b/data.pkl", b"")]), "not in one folder"),
        "outside.pth": (zip_bytes(ordered(weight), [("0", pool)], [("/readme", b"")]), "not in one folder"),
        "twice.pth": (zip_bytes(ordered(twice), [("0", pool)]), "two tensors are named w"),
        "missing.pth": (zip_bytes(ordered(weight), []), "its storage 0 is missing"),
        "short.pth": (zip_bytes(ordered(weight), [("0", pool[:3])]), "12 bytes where 4 elements of f32"),
        "long.pth": (zip_bytes(ordered(weight), [("0", np.arange(5, dtype="<f4"))]), "20 bytes where 4"),
        "long.legacy.pth": (legacy_bytes(ordered(weight), [("0", np.arange(5, dtype="<f4"))]), "its storage 0"),
        "tail.legacy.pth": (legacy_bytes(ordered(weight), [("0", pool)]) + b"x", "1 bytes follow"),
        "unlisted.legacy.pth": (legacy_bytes(ordered(weight), []), "its list of storages"),
        "other.legacy.pth": (legacy_bytes(ordered(weight), [("1", pool)]), "lists a storage"),
        "not a checkpoint.zip": (other_zip(), "no data.pkl"),
        "empty.zip": (b"PK\5\6" + bytes(18), "an empty zip archive"),
        "cut.pth": (good[:-100], "cut off"),
        "cut.legacy.pth": (one(numbers(50), **legacy)[:-100], "ends early"),
        "tail.pth": (good + b"x", "something follows"),
        "tar.pth": (tar(), "a tar archive"),
        "array.npy": (array(), "NumPy"),
        "page.pth": (b"\n<!DOCTYPE html>\n<html><head><title>404</title>", "a web page (HTML)"),
        "mark.pth": (b"\xef\xbb\xbf<html>", "a web page (HTML)"),
        "text.pth": (b'{"error": "not found"}\n', "a text file"),
        "empty.pth": (b"", "an empty file"),
        "pointer.pth": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "git-lfs"),
        "gzip.pth": (b"\x1f\x8b\x08" + bytes(20), "gzip"),
        "keras.h5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
        "latin.pth": ("élève".encode("latin-1") * 30, "neither"),
        "noise.pth": (bytes(range(128, 256)), "neither a PyTorch checkpoint nor a safetensors file"),
        "short.bin": (b"\0\1", "neither"),
    }


def other_zip():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("papers/readme.txt", "hello")
    return out.getvalue()


# ---- safetensors, written without its package


def safetensors():
    """What tests/test_safetensors_write.c writes: a tensor of every type, and shapes of every kind."""
    sizes = {"F32": 4, "F64": 8, "F16": 2, "BF16": 2, "I8": 1, "I16": 2, "I32": 4, "I64": 8, "U8": 1, "U16": 2, "U32": 4,
             "U64": 8, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1}
    tensors = [(kind.lower(), kind, [3, 1]) for kind in sizes]
    tensors += [("scalar", "I16", []), ("none", "I16", [0]), ("none2", "I16", [2, 0, 3]), ('"q"/\\', "I16", [3, 1]),
                ("ümläut", "I16", [3, 1])]
    tensors.sort(key=lambda tensor: -sizes[tensor[1]])
    header = {"__metadata__": {"format": "pt", "graft.classes": '["a\\"b","ü"]', "": "an empty key"}}
    data = b""
    for name, kind, shape in tensors:
        begin = len(data)
        data += bytes(range(1, 25))[:int(np.prod(shape)) * sizes[kind]]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


# ---- what is expected


def line(name, value):
    value = value.detach().contiguous()
    dims = ",".join(map(str, value.shape)) or "-"
    raw = value.reshape(-1).view(torch.uint8) if value.numel() and value.dtype != torch.bool else value.reshape(-1)
    return f"{name} {NAMES[value.dtype]} {dims} {raw.numpy().tobytes().hex() if value.numel() else '-'}\n"


def plain(state):
    """By the rules of src/formats/pytorch.c, said once more."""
    for key in ("state_dict", "model", "model_ema"):
        if isinstance(state.get(key), dict):
            return plain(state[key])
    names = [name for name in state if name != "n_averaged"]
    if names and all(name.startswith("module.") for name in names):
        return {name[len("module."):]: state[name] for name in names}
    return state


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as stream:
        stream.write(data)


def make(folder):
    lines = []
    states = {"types": every_type(), "shapes": every_shape(), "module": module().state_dict(), "training": training(),
              "none": {}, "averaged": {"model_ema": averaged(), "epoch": 1}, "counter": {"n_averaged": torch.tensor(1)},
              "both": {"model": module().state_dict(), "model_ema": averaged()},
              "nested": {"model": {"state_dict": under_module(every_type())}},
              "large": {"x": numbers(64, 64).t()}, "half module": {"module.a": numbers(2), "b": numbers(3)}}
    files = {}
    for name, state in states.items():
        files[name + ".pth"] = saved(state)
        files[name + ".legacy.pth"] = saved(state, _use_new_zipfile_serialization=False)
    files.update(by_hand())
    for name, data in files.items():
        state = plain(torch.load(io.BytesIO(data)))
        write(folder, name, data)
        write(folder, name + ".txt", "".join(line(*item) for item in state.items()).encode())
        lines.append(f"same {name}\n")
    others = refused()
    for name, (program, words) in wrong_tensors().items():
        pool = [("0", np.arange(4, dtype="<f4"))]
        program = text("v") + program.replace(b"\x85", text("w")) if b"\x85" in program else text("w") + program
        others[name + ".wrong.pth"] = zip_bytes(b"}(" + program + b"u", pool), words
        if b"Q" in program:  # without a storage the legacy form already differs in its list
            others[name + ".wrong.legacy.pth"] = legacy_bytes(b"}(" + program + b"u", pool), words
    assert not files.keys() & others.keys()
    for name, (data, words) in others.items():
        write(folder, name, data)
        lines.append(f"fail {name}|{words}\n")
    write(folder, "all.safetensors", safetensors())
    write(folder, "files.txt", "".join(lines).encode())
