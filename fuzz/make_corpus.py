"""make_corpus.py: writes the seeds fuzz/corpus/TARGET/seed-*, small files of every kind that a target reads, from the
scripts of tests/reference. Other files of the folders (reproducers of what a fuzzer found) are left alone."""
import os
import struct
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "reference"))
import make_images  # noqa: E402
import make_weights  # noqa: E402

LARGEST = 2500
A_KIND = 14
SYSTEM = b"\x80\x02}q\x00"  # how the third pickle of a legacy file begins


def write(target, seeds):
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        if name.startswith("seed-"):
            os.remove(os.path.join(folder, name))
    for name, data in sorted(seeds.items()):
        with open(os.path.join(folder, "seed-" + name.replace(" ", "_")), "wb") as stream:
            stream.write(data)


def checkpoints():
    files = dict(make_weights.by_hand())
    weight = make_weights.tensor(make_weights.storage_id("FloatStorage", "0", 1), 0, [1], [1])
    program = b"\x80\x02" + make_weights.ordered([("w", weight)]) + b"."
    files["wide.pth"] = wide_zip([(b"a/data.pkl", program), (b"a/data/0", bytes(4)), (b"a/version", b"3\n")])
    files["module.pth"] = make_weights.saved(make_weights.averaged())
    for name, (program, _) in make_weights.wrong_tensors().items():
        pool = [("0", make_weights.np.arange(4, dtype="<f4"))]
        program = b"}" + make_weights.text("w") + program + b"s"
        files[name + ".pth"] = make_weights.zip_bytes(program, pool)
        files[name + ".legacy.pth"] = make_weights.legacy_bytes(program, pool)
    return files


def wide_zip(entries):
    """Every size and place in zip64 fields, which Python and torch.save use for what is large only."""
    ones, local, central = 0xFFFFFFFF, b"", b""
    for name, data in entries:
        common = struct.pack("<HHIIIIHH", 0x0800, 0, 0, 0, ones, ones, len(name), 28)
        sizes = struct.pack("<QQ", len(data), len(data))
        central += b"PK\1\2" + struct.pack("<HH", 45, 45) + common + struct.pack("<HHHII", 0, 0, 0, 0, ones) + name
        central += struct.pack("<HH", 1, 24) + sizes + struct.pack("<Q", len(local))
        local += b"PK\3\4" + struct.pack("<H", 45) + common + name
        local += struct.pack("<HH", 1, 16) + sizes + b"FB\4\0ZZZZ" + data
    count, size, place = len(entries), len(central), len(local)
    end = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, place)
    end += b"PK\6\7" + struct.pack("<IQI", 0, place + size, 1)
    return local + central + end + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, ones, ones, 0)


def behind_the_start(data):
    """Without the first three pickles, which fuzz_legacy_checkpoint puts before every input."""
    return data[data.index(b".", data.index(SYSTEM)) + 1:]


def headers():
    one = b'{"x":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}'
    texts = {"one": one, "padded": one + b"   ", "nothing": b"{}", "metadata": b'{"__metadata__":{"a":"b\\n\\u00e4"}}',
             "hole": one.replace(b"0,8", b"4,12"), "twice": one[:-1] + b"," + one[1:], "list": b"[]",
             "large": one.replace(b"[2,1]", b"[4294967296,4294967296,0]")}
    seeds = {name: struct.pack("<Q", len(text)) + text + bytes(8) for name, text in texts.items()}
    seeds["all"] = make_weights.safetensors()
    seeds["page"] = b"<!DOCTYPE html>"
    seeds["pointer"] = b"version https://git-lfs.github.com/spec/v1\n"
    seeds["tar"] = make_weights.tar()[:512]
    return seeds


def pictures():
    """Evenly chosen by size, so that small and large, plain and odd ones are among them."""
    seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        make_images.make(folder)
        for extension in (".bmp", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".webp"):
            names = [name for name in os.listdir(folder) if name.endswith(extension)]
            sizes = sorted((os.path.getsize(os.path.join(folder, name)), name) for name in names)
            sizes = [pair for pair in sizes if pair[0] <= LARGEST]
            for _, name in sizes[::len(sizes) // A_KIND + 1]:
                with open(os.path.join(folder, name), "rb") as stream:
                    seeds[name] = stream.read()
    return seeds


def main():
    files = checkpoints()
    write("zip_checkpoint", {name: data for name, data in files.items() if data.startswith(b"PK")})
    write("legacy_checkpoint", {name: behind_the_start(data) for name, data in files.items() if data[:1] == b"\x80"})
    write("safetensors", headers())
    write("image", pictures())


main()
