"""Pictures to work on where no others are at hand, the same on every machine:

    photographs FOLDER     train/ and val/ with two classes of JPEGs of 500 x 375
    small FOLDER COUNT     two classes of PPMs of 32 x 32
"""
import os
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "parity"))

TRAIN, VAL = 48, 16  # of each class


def photographs(folder):
    from seeded import picture
    seed = 0
    for part, count in (("train", TRAIN), ("val", VAL)):
        for label in ("one", "two"):
            os.makedirs(os.path.join(folder, part, label))
            for i in range(count):
                Image.fromarray(picture(seed, 500, 375)).save(os.path.join(folder, part, label, "%03d.jpg" % i),
                                                              quality=92)
                seed += 1


def small(folder, count):
    draw = np.random.default_rng(0)
    for label, shade in (("one", 90), ("two", 160)):
        os.makedirs(os.path.join(folder, label))
        for i in range(count // 2):
            pixels = np.clip(draw.normal(shade, 40, (32, 32, 3)), 0, 255).astype(np.uint8)
            with open(os.path.join(folder, label, "%05d.ppm" % i), "wb") as stream:
                stream.write(b"P6 32 32 255\n" + pixels.tobytes())


if sys.argv[1] == "photographs":
    photographs(sys.argv[2])
else:
    small(sys.argv[2], int(sys.argv[3]))
