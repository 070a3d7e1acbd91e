"""What torchvision and Pillow make of pictures, each random number of an augmentation given.

cases.txt has a line a case; inputs are runs of pool.bin, outputs of out.bin:
    rotate AT W H  DEGREES OUT
    brightness|contrast|saturation|hue AT W H  FACTOR OUT
    chain AT W H  X Y BW BH CROP  MIRROR DEGREES  ORDER FACTORS OUT    resized_crop, hflip, rotate and the four
        adjustments in an order such as 2013 (0 is brightness), with a factor each
every.txt: "NAME FACTOR SHA256" of all 2^24 colours, adjusted: red turns slowest, blue fastest.
"""
import hashlib
import os

import numpy as np
import torchvision.transforms.functional as F
from PIL import Image

ADJUST = {"brightness": F.adjust_brightness, "contrast": F.adjust_contrast, "saturation": F.adjust_saturation,
          "hue": F.adjust_hue}


class Pool:
    """Noise, extremes, and smooth runs, from which pictures of any size are cut."""

    def __init__(self, rng):
        noise = rng.integers(0, 256, 1 << 19).astype(np.uint8)
        extreme = (rng.integers(0, 2, 1 << 19) * 255).astype(np.uint8)
        smooth = (np.cumsum(rng.integers(-4, 5, 1 << 19)) % 256).astype(np.uint8)
        dark = rng.integers(0, 12, 1 << 18).astype(np.uint8)
        grey = np.repeat(rng.integers(0, 256, 1 << 18), 3).astype(np.uint8)
        self.bytes = np.concatenate([noise, extreme, smooth, dark, grey])
        self.rng = rng
        self.lines = []
        self.out = []
        self.size = 0

    def image(self, width, height):
        count = width * height * 3
        at = int(self.rng.integers(0, len(self.bytes) - count))
        return at, Image.fromarray(self.bytes[at:at + count].reshape(height, width, 3))

    def add(self, line, image):
        data = np.asarray(image).tobytes()
        self.lines.append("%s %d" % (line, self.size))
        self.out.append(data)
        self.size += len(data)


def single(value):
    """The number as float32 has it: that is what torchvision draws."""
    return float(np.float32(value))


def random_size(rng, most):
    return int(rng.integers(1, most + 1)), int(rng.integers(1, most + 1))


def make_rotations(pool, rng):
    angles = [0, -0.0, 90, -90, 180, -180, 270, 360, 450, -720, 45, 30, 60, 1e-17, -1e-17, 1e-14, -3e-14, 179.9999999999]
    cases = [(size, angle) for size in ((1, 1), (7, 7), (8, 8), (9, 4), (4, 9)) for angle in angles]
    cases += [(random_size(rng, 90), single(rng.uniform(-180, 180))) for _ in range(200)]
    cases += [((64, 64), single(rng.uniform(-15, 15))) for _ in range(40)]
    cases += [((224, 224), angle) for angle in (15, -15, single(7.3))]
    cases += [((33000, 3), angle) for angle in (single(0.001), 180, single(179.99), 90)]
    cases += [((2, 40000), angle) for angle in (single(-0.002), single(20), 0)]
    cases += [((70000, 3), 90), ((3, 70000), 90), ((70001, 2), 270), ((70001, 3), 270)]  # places between two pixels
    for (width, height), angle in cases:
        at, image = pool.image(width, height)
        pool.add("rotate %d %d %d %r" % (at, width, height, float(angle)), F.rotate(image, float(angle)))


def make_adjustments(pool, rng):
    for name, adjust in ADJUST.items():
        if name == "hue":
            factors = [0, 0.5, -0.5, 0.1, -0.1, 1 / 255, -1 / 255, 0.003, -0.003, 0.499]
            factors += list(rng.uniform(-0.5, 0.5, 60))
        else:
            factors = [0, 1, 2, 0.5, 1.4, 0.6, 0.999999, 1.000001, 1e-8, 30, 255, 1000]
            factors += list(rng.uniform(0, 1, 40)) + list(rng.uniform(1, 3, 40))
        for factor in factors:
            width, height = random_size(rng, 60)
            at, image = pool.image(width, height)
            pool.add("%s %d %d %d %r" % (name, at, width, height, single(factor)), adjust(image, single(factor)))


def make_chains(pool, rng):
    for _ in range(60):
        width, height = random_size(rng, 120)
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        bw, bh = int(rng.integers(1, width - x + 1)), int(rng.integers(1, height - y + 1))
        crop, mirror = int(rng.integers(1, 50)), int(rng.integers(0, 2))
        angle = single(rng.uniform(-30, 30))
        factors = [single(v) for v in (*rng.uniform(0.6, 1.4, 3), rng.uniform(-0.2, 0.2))]
        order = rng.permutation(4)
        at, image = pool.image(width, height)
        image = F.resized_crop(image, y, x, bh, bw, [crop, crop])
        image = F.rotate(F.hflip(image) if mirror else image, angle)
        for i in order:
            image = list(ADJUST.values())[i](image, factors[i])
        pool.add("chain %d %d %d %d %d %d %d %d %d %r %s %r %r %r %r" %
                 (at, width, height, x, y, bw, bh, crop, mirror, angle, "".join(map(str, order)), *factors), image)


def make_every_colour():
    level = np.arange(256, dtype=np.uint8)
    colours = np.stack(np.meshgrid(level, level, level, indexing="ij"), -1).reshape(4096, 4096, 3)
    lines = []
    for name, factor in (("hue", 0), ("hue", -0.37), ("saturation", 0.3), ("saturation", 1.7), ("contrast", 1.3)):
        adjusted = np.asarray(ADJUST[name](Image.fromarray(colours), single(factor)))
        lines.append("%s %r %s" % (name, single(factor), hashlib.sha256(adjusted.tobytes()).hexdigest()))
    return lines


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as stream:
        stream.write(data)


def make(folder):
    rng = np.random.default_rng(6)
    pool = Pool(rng)
    make_rotations(pool, rng)
    make_adjustments(pool, rng)
    make_chains(pool, rng)
    write(folder, "pool.bin", pool.bytes.tobytes())
    write(folder, "out.bin", b"".join(pool.out))
    write(folder, "cases.txt", "\n".join(pool.lines + [""]).encode())
    write(folder, "every.txt", "\n".join(make_every_colour() + [""]).encode())


if __name__ == "__main__":
    import sys
    make(sys.argv[1])
