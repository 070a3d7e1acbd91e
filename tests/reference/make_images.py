"""Pictures of every kind, and what Pillow and torchvision make of them.

decode.txt has a line a file:
    same NAME          NAME.pillow and NAME.seen hold the expected pixels ("WIDTH HEIGHT\\n", then RGB bytes)
    fail NAME WORDS    decoding fails, and the message contains WORDS
transform.txt has a line a case; the inputs are runs of images/pool.bin, the outputs of images/out.bin:
    resize AT W H  X Y BW BH  NEW_W NEW_H FILTER OUT
    fit AT W H  RESIZE CROP FILTER OUT
    box AT W H  X Y BW BH  CROP FILTER OUT
normalize.bin: for each of the transforms below the floats of (3, 16, 16) for the pool's first bytes.
crops.txt: WIDTH HEIGHT LO HI and the mean of width/W, height/H, area, log ratio, x, y of many of
    torchvision's random crops, and their standard errors.
"""
import io
import math
import os
import struct
import warnings
import zlib

import numpy as np
import torch
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image, ImageOps

warnings.simplefilter("ignore")


# ---- writers of what Pillow does not write


def pack(values, bits):
    """Rows of small numbers, most significant bit first, padded to bytes."""
    if bits == 16:
        return [row.astype(">u2").tobytes() for row in values]
    if bits == 8:
        return [row.astype(np.uint8).tobytes() for row in values]
    rows = []
    for row in values:
        planes = [(row >> (bits - 1 - b)) & 1 for b in range(bits)]
        rows.append(np.packbits(np.stack(planes, -1).reshape(-1).astype(np.uint8)).tobytes())
    return rows


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels, bits, colour, interlaced=False, before=(), after=(), size=None):
    height, width = pixels.shape[:2]
    flat = pixels.reshape(height, width, -1)
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for x, y, dx, dy in passes:
        part = flat[y::dy, x::dx]
        if part.size:
            raw += b"".join(b"\0" + row for row in pack(part.reshape(part.shape[0], -1), bits))
    header = struct.pack(">IIBBBBB", *(size or (width, height)), bits, colour, 0, 0, int(interlaced))
    body = b"".join(chunk(*c) for c in before) + chunk(b"IDAT", zlib.compress(raw))
    body += b"".join(chunk(*c) for c in after)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def tiff(pixels, bits, photometric, order="<", tile=None, planar=False, extra=None, deflate=False, orientation=None,
         palette=None, rows=None, size=None):
    height, width = pixels.shape[:2]
    flat = pixels.reshape(height, width, -1)
    samples = flat.shape[2]
    planes = [flat[:, :, i:i + 1] for i in range(samples)] if planar else [flat]
    blocks = []
    for plane in planes:
        if tile:
            for y in range(0, height, tile):
                for x in range(0, width, tile):
                    full = np.zeros((tile, tile, plane.shape[2]), plane.dtype)
                    part = plane[y:y + tile, x:x + tile]
                    full[:part.shape[0], :part.shape[1]] = part
                    blocks.append(full)
        else:
            step = rows or height
            blocks += [plane[y:y + step] for y in range(0, height, step)]
    data = []
    for block in blocks:
        lines = pack(block.reshape(block.shape[0], -1), bits)
        raw = b"".join(lines)
        if bits == 16 and order == "<":
            raw = np.frombuffer(raw, ">u2").astype("<u2").tobytes()
        data.append(zlib.compress(raw) if deflate else raw)
    tags = {256: (4, [(size or (width, height))[0]]), 257: (4, [(size or (width, height))[1]]),
            258: (3, [bits] * samples), 259: (3, [8 if deflate else 1]), 262: (3, [photometric]),
            277: (3, [samples]), 284: (3, [2 if planar else 1])}
    if extra is not None:
        tags[338] = (3, [extra])
    if orientation:
        tags[274] = (3, [orientation])
    if palette is not None:
        tags[320] = (3, [int(v) * 257 for v in palette.T.reshape(-1)])
    offsets, lengths = [], [len(d) for d in data]
    at = 8
    for d in data:
        offsets.append(at)
        at += len(d) + (len(d) & 1)
    if tile:
        tags.update({322: (3, [tile]), 323: (3, [tile]), 324: (4, offsets), 325: (4, lengths)})
    else:
        tags.update({273: (4, offsets), 278: (4, [rows or height]), 279: (4, lengths)})
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    for d in data:
        out += d + b"\0" * (len(d) & 1)
    spill, spill_at = b"", at + 2 + 12 * len(tags) + 4
    entries = b""
    for tag in sorted(tags):
        kind, values = tags[tag]
        value = struct.pack(order + ("H" if kind == 3 else "I") * len(values), *values)
        if len(value) > 4:
            place = struct.pack(order + "I", spill_at + len(spill))
            spill += value + b"\0" * (len(value) & 1)
        else:
            place = value.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", tag, kind, len(values)) + place
    return out + struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", 0) + spill


def bmp(pixels, bits, palette=None, top_down=False, masks=None, os2=False, size=None, compression=None, v5=False):
    """pixels: (height, width) of whole pixel values, or (height, width, 3) for 24 bits."""
    height, width = pixels.shape[:2]
    rows = []
    for row in pixels:
        if bits <= 8:
            line = pack(row[None], bits)[0]
        elif bits == 24:
            line = row[:, ::-1].astype(np.uint8).tobytes()
        else:
            line = row.astype("<u2" if bits == 16 else "<u4").tobytes()
        rows.append(line + b"\0" * (-len(line) % 4))
    data = b"".join(rows if top_down else rows[::-1])
    width, height = size or (width, height)
    if compression is None:
        compression = 3 if masks else 0
    table = b""
    if palette is not None:
        table = b"".join(bytes(c[::-1]) + (b"" if os2 else b"\0") for c in palette.tolist())
    if os2:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", 124 if v5 else 40, width, -height if top_down else height, 1, bits,
                             compression, len(data), 2835, 2835, 0 if palette is None else len(palette), 0)
        if v5:
            header += struct.pack("<IIII", *masks) + b"\0" * 68
        elif masks:
            header += struct.pack("<III", *masks[:3])
    offset = 14 + len(header) + len(table)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header + table + data


def exif(orientation, order="<", kind=3):
    value = struct.pack(order + "HH" if kind == 3 else order + "I", *([orientation, 0] if kind == 3 else [orientation]))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    other = struct.pack(order + "HHI", 271, 2, 4) + b"abc\0"
    return head + struct.pack(order + "H", 2) + other + struct.pack(order + "HHI", 274, kind, 1) + value + b"\0" * 4


# ---- pictures


def photo(rng, width, height, channels=3):
    """Smooth waves and some noise: something that a JPEG has to work for."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / (3 + c) + c) + np.cos(y / (5 - c) - c) for c in range(channels)]
    values = 128 + 50 * np.stack(waves, -1) + rng.normal(0, 20, (height, width, channels))
    return np.clip(values, 0, 255).astype(np.uint8)


def saved(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def as_pillow(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def on_white(rgba):
    """What Image.paste with a mask computes."""
    white = Image.new("RGB", rgba.size, (255, 255, 255))
    white.paste(rgba.convert("RGB"), mask=rgba.getchannel("A"))
    return np.asarray(white)


def as_seen(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    if image.format != "TIFF":  # Pillow has already turned a TIFF
        image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "I;16", "I;16B"):
        return np.repeat((np.asarray(image, dtype=np.int64) >> 8)[:, :, None], 3, 2).astype(np.uint8)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return on_white(image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


class Writer:
    def __init__(self, folder):
        self.folder = folder
        self.lines = []

    def write(self, name, data):
        with open(os.path.join(self.folder, name), "wb") as stream:
            stream.write(data)

    def pixels(self, name, array):
        self.write(name, b"%d %d\n" % (array.shape[1], array.shape[0]) + np.ascontiguousarray(array).tobytes())

    def same(self, name, data, seen=None, pillow=None):
        """`seen` and `pillow` where Pillow cannot say it, or not rightly."""
        self.write(name, data)
        self.pixels(name + ".pillow", as_pillow(data) if pillow is None else pillow)
        self.pixels(name + ".seen", as_seen(data) if seen is None else seen)
        self.lines.append("same " + name)

    def fail(self, name, data, words):
        self.write(name, data)
        self.lines.append("fail %s %s" % (name, words))


def segments(data):
    """The segments of a JPEG up to its scan: (marker, start, end)."""
    at = 2
    while True:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2:at + 4])[0]
        yield marker, at, at + 2 + length
        at += 2 + length
        if marker == 0xDA:
            return


def make_jpeg(w, rng):
    picture = photo(rng, 61, 43)
    image = Image.fromarray(picture)
    for quality in (10, 75, 95, 100):
        for sampling in (0, 1, 2):
            w.same("q%d_s%d.jpg" % (quality, sampling), saved(image, "JPEG", quality=quality, subsampling=sampling))
    for size in ((1, 1), (2, 3), (16, 16), (17, 8), (200, 3)):
        w.same("size_%dx%d.jpg" % size, saved(Image.fromarray(photo(rng, *size)), "JPEG"))
    w.same("progressive.jpg", saved(image, "JPEG", progressive=True, quality=60))
    w.same("optimised.jpg", saved(image, "JPEG", optimize=True))
    w.same("grey.jpg", saved(image.convert("L"), "JPEG"))
    cmyk = saved(Image.fromarray(photo(rng, 33, 21, 4), "CMYK"), "JPEG", quality=90)
    w.same("cmyk.jpg", cmyk)
    adobe = cmyk.index(b"Adobe")
    w.same("ycck.jpg", cmyk[:adobe + 11] + b"\2" + cmyk[adobe + 12:])  # the transform byte
    whole = saved(image, "JPEG", quality=90, subsampling=0)
    rgb = bytearray(whole)
    for marker, start, end in segments(whole):  # components named R, G, B and no JFIF: the colours are RGB
        if marker in (0xC0, 0xDA):
            first = start + (10 if marker == 0xC0 else 5)
            for i, letter in enumerate(b"RGB"):
                rgb[first + i * (3 if marker == 0xC0 else 2)] = letter
    w.same("rgb.jpg", bytes(rgb[:2] + rgb[20:]))
    for orientation in range(1, 9):
        for order in "<>":
            block = b"Exif\0\0" + exif(orientation, order, 3 if order == "<" else 4)
            w.same("turned_%d%s.jpg" % (orientation, "ib"[order == ">"]), saved(image, "JPEG", exif=block))
    w.same("turned_9.jpg", saved(image, "JPEG", exif=b"Exif\0\0" + exif(9)))
    w.same("exif_short.jpg", saved(image, "JPEG", exif=b"Exif\0\0" + exif(6)[:20]))
    w.same("after.jpg", whole + b"something else")
    w.fail("without_end.jpg", whole[:-2], "ends early")
    for part in (0.3, 0.6, 0.95):
        w.fail("cut_%d.jpg" % (part * 100), whole[:int(part * len(whole))], "ends early")
        progressive = saved(image, "JPEG", progressive=True)
        w.fail("cut_progressive_%d.jpg" % (part * 100), progressive[:int(part * len(progressive))], "ends early")
    w.fail("only_start.jpg", b"\xff\xd8\xff", "ends early")
    sof = whole.index(b"\xff\xc0")
    w.fail("huge.jpg", whole[:sof + 5] + struct.pack(">HH", 65000, 65000) + whole[sof + 9:], "too large")
    w.fail("zero.jpg", whole[:sof + 5] + struct.pack(">HH", 0, 65000) + whole[sof + 9:], "damaged JPEG")


def make_png(w, rng):
    for bits in (1, 2, 4, 8, 16):
        values = rng.integers(0, 1 << bits, (23, 31))
        kinds = [(0, 1)]
        if bits >= 8:
            kinds += [(2, 3), (4, 2), (6, 4)]
        for colour, channels in kinds:
            for interlaced in (False, True):
                values = rng.integers(0, 1 << bits, (23, 31, channels))
                if bits == 16 and colour == 0:
                    values[:8] >>= 8  # below 256, where saturating and scaling differ most
                name = "c%d_b%d%s.png" % (colour, bits, "_i" if interlaced else "")
                w.same(name, png(values, bits, colour, interlaced))
        if bits <= 8:
            palette = rng.integers(0, 256, (1 << bits, 3)).astype(np.uint8)
            values = rng.integers(0, 1 << bits, (23, 31))
            alpha = rng.integers(0, 256, (1 << bits) - 1).astype(np.uint8).tobytes()
            for interlaced in (False, True):
                tail = "_i.png" if interlaced else ".png"
                plain = [(b"PLTE", palette.tobytes())]
                w.same("c3_b%d%s" % (bits, tail), png(values, bits, 3, interlaced, plain))
                w.same("c3_b%d_alpha%s" % (bits, tail), png(values, bits, 3, interlaced, plain + [(b"tRNS", alpha)]))
        grey = rng.integers(0, 1 << bits, (9, 11))  # Pillow compares scaled values with the unscaled one
        clear = 1 if bits < 16 else 300
        grey[::2, ::3] = clear
        shown = grey * (255 // ((1 << bits) - 1)) if bits <= 8 else grey >> 8
        seen = np.where(grey == clear, 255, shown).astype(np.uint8)
        w.same("c0_b%d_clear.png" % bits, png(grey, bits, 0, False, [(b"tRNS", struct.pack(">H", clear))]),
               seen=np.repeat(seen[:, :, None], 3, 2))
    colour = rng.integers(0, 4, (9, 11, 3)) * 80
    w.same("c2_b8_clear.png", png(colour, 8, 2, False, [(b"tRNS", struct.pack(">HHH", *map(int, colour[4, 5])))]))
    palette = rng.integers(0, 256, (5, 3)).astype(np.uint8)
    w.same("short_palette.png", png(rng.integers(0, 16, (9, 11)), 4, 3, False, [(b"PLTE", palette.tobytes())]))
    picture = photo(rng, 37, 29)
    image = Image.fromarray(picture)
    w.same("saved.png", saved(image, "PNG", optimize=True))
    w.same("one.png", png(picture[:1, :1], 8, 2))
    w.same("profile.png", saved(image, "PNG", icc_profile=b"nonsense" * 40))
    for orientation in range(1, 9):
        w.same("turned_%d.png" % orientation, png(picture, 8, 2, False, [(b"eXIf", exif(orientation, ">"))]))
    w.same("turned_after.png", png(picture, 8, 2, False, (), [(b"eXIf", exif(6))]))
    whole = saved(image, "PNG")
    for part in (0.05, 0.3, 0.9):
        w.fail("cut_%d.png" % (part * 100), whole[:int(part * len(whole))], "ends early")
    w.fail("huge.png", png(picture, 8, 2, size=(20000, 20000)), "too large")
    w.fail("huge_interlaced.png", png(picture, 8, 2, True, size=(20000, 20000)), "too large")
    w.fail("zero.png", png(picture, 8, 2, size=(0, 5)), "damaged PNG")
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 0x55
    w.fail("broken.png", bytes(broken), "damaged PNG")


def make_webp(w, rng):
    picture = photo(rng, 53, 37)
    image = Image.fromarray(picture)
    clear = Image.fromarray(np.dstack([picture, rng.integers(0, 256, (37, 53)).astype(np.uint8)]), "RGBA")
    for quality in (5, 80, 100):
        w.same("q%d.webp" % quality, saved(image, "WEBP", quality=quality))
        w.same("alpha_q%d.webp" % quality, saved(clear, "WEBP", quality=quality))
    w.same("lossless.webp", saved(image, "WEBP", lossless=True))
    w.same("lossless_alpha.webp", saved(clear, "WEBP", lossless=True))
    w.same("lossless_exact.webp", saved(clear, "WEBP", lossless=True, exact=True))
    w.same("one.webp", saved(image.crop((0, 0, 1, 1)), "WEBP"))
    for orientation in (1, 3, 6, 8):
        w.same("turned_%d.webp" % orientation, saved(image, "WEBP", exif=exif(orientation)))
        w.same("turned_prefix_%d.webp" % orientation, saved(image, "WEBP", exif=b"Exif\0\0" + exif(orientation, ">")))
    moving = saved(image, "WEBP", save_all=True, append_images=[ImageOps.mirror(image), ImageOps.flip(image)])
    w.same("moving.webp", moving)
    w.same("moving_alpha.webp", saved(clear, "WEBP", save_all=True, append_images=[ImageOps.mirror(clear)]))
    whole = saved(image, "WEBP")
    for part in (0.2, 0.5, 0.9):
        w.fail("cut_%d.webp" % (part * 100), whole[:int(part * len(whole))], "ends early")
    at = moving.index(b"VP8X") + 12
    w.fail("huge.webp", moving[:at] + b"\x00\x7f\x00\x00\x7f\x00" + moving[at + 6:], "too large")


def make_tiff(w, rng):
    picture = photo(rng, 45, 39)
    image = Image.fromarray(picture)
    clear = Image.fromarray(np.dstack([picture, rng.integers(0, 256, (39, 45)).astype(np.uint8)]), "RGBA")
    for compression in (None, "tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg"):
        w.same("rgb_%s.tif" % compression, saved(image, "TIFF", compression=compression))
        w.same("grey_%s.tif" % compression, saved(image.convert("L"), "TIFF", compression=compression))
        if compression != "jpeg":
            w.same("rgba_%s.tif" % compression, saved(clear, "TIFF", compression=compression))
            w.same("la_%s.tif" % compression, saved(clear.convert("LA"), "TIFF", compression=compression))
            w.same("palette_%s.tif" % compression, saved(image.quantize(64), "TIFF", compression=compression))
            w.same("cmyk_%s.tif" % compression, saved(image.convert("CMYK"), "TIFF", compression=compression))
            w.same("bits_%s.tif" % compression, saved(image.convert("1"), "TIFF", compression=compression))
    w.same("group4.tif", saved(image.convert("1"), "TIFF", compression="group4"))
    w.same("group3.tif", saved(image.convert("1"), "TIFF", compression="group3"))
    w.same("ycbcr.tif", saved(image.convert("YCbCr"), "TIFF", compression="jpeg"))
    w.same("rgbx.tif", saved(clear.convert("RGBX"), "TIFF"))
    alpha = np.asarray(clear)
    for order in "<>":
        end = "_%s.tif" % ("big" if order == ">" else "little")
        deep = rng.integers(0, 65536, (39, 45))
        deep[:10] >>= 8
        for deflate in (False, True):
            tail = ("_z" if deflate else "") + end
            options = dict(order=order, deflate=deflate)
            w.same("deep_grey" + tail, tiff(deep, 16, 1, **options))
            w.same("deep_rgb" + tail, tiff(rng.integers(0, 65536, (19, 25, 3)), 16, 2, **options))
            w.same("deep_rgba" + tail, tiff(rng.integers(0, 65536, (19, 25, 4)), 16, 2, extra=2, **options))
            for bits in (1, 2, 4, 8):
                values = rng.integers(0, 1 << bits, (19, 45))
                w.same("black0_%d" % bits + tail, tiff(values, bits, 1, **options))
                w.same("white0_%d" % bits + tail, tiff(values, bits, 0, **options))
                palette = rng.integers(0, 256, (1 << bits, 3))
                w.same("palette_%d" % bits + tail, tiff(values, bits, 3, palette=palette, **options))
            w.same("tiles" + tail, tiff(picture, 8, 2, tile=16, **options))
            w.same("strips" + tail, tiff(picture, 8, 2, rows=7, **options))
            w.same("planes" + tail, tiff(picture, 8, 2, planar=True, rows=10, **options))
            w.same("associated" + tail, tiff(alpha, 8, 2, extra=1, **options))
            w.same("unsaid" + tail, tiff(alpha, 8, 2, **options))
            w.same("ignored" + tail, tiff(alpha, 8, 2, extra=0, **options))
        w.same("grey_tiles" + end, tiff(picture[:, :, 0], 8, 1, tile=16, order=order, deflate=True))
        w.same("plane_tiles" + end, tiff(picture, 8, 2, tile=16, planar=True, order=order, deflate=True))
    for orientation in range(1, 9):
        w.same("turned_%d.tif" % orientation, tiff(picture, 8, 2, orientation=orientation))
        w.same("turned_z_%d.tif" % orientation, tiff(picture, 8, 2, orientation=orientation, deflate=True))
    w.same("one.tif", tiff(picture[:1, :1], 8, 2))
    pages = saved(image, "TIFF", save_all=True, append_images=[ImageOps.mirror(image)])
    w.same("pages.tif", pages)
    w.fail("huge.tif", tiff(picture, 8, 2, size=(20000, 20000)), "too large")
    w.fail("zero.tif", tiff(picture, 8, 2, size=(0, 20000)), "TIFF")
    whole = saved(image, "TIFF")
    w.fail("cut.tif", whole[:len(whole) // 2], "damaged TIFF")
    for compression in ("tiff_lzw", "tiff_adobe_deflate"):
        broken = bytearray(saved(image, "TIFF", compression=compression))
        broken[8:24] = b"\xff" * 16  # the pixels begin at 8
        w.fail("broken_%s.tif" % compression, bytes(broken), "damaged TIFF")
    strip = tiff(picture, 8, 2, rows=8)
    w.fail("cut_strip.tif", strip.replace(struct.pack("<IIIII", *range(8, 8 + 5 * 1080, 1080)),
                                          struct.pack("<IIIII", 8, 1088, 2168, 3248, 90000)), "damaged TIFF")
    w.fail("float.tif", saved(Image.fromarray(picture[:, :, 0].astype(np.float32)), "TIFF"), "floating-point")


def make_bmp(w, rng):
    picture = photo(rng, 29, 17)
    image = Image.fromarray(picture)
    w.same("rgb.bmp", saved(image, "BMP"))
    w.same("grey.bmp", saved(image.convert("L"), "BMP"))
    w.same("palette.bmp", saved(image.quantize(200), "BMP"))
    w.same("bits.bmp", saved(image.convert("1"), "BMP"))
    w.same("saved_alpha.bmp", saved(image.convert("RGBA"), "BMP"))
    for bits in (1, 4, 8):
        for width in (1, 7, 8, 29):
            palette = rng.integers(0, 256, (1 << bits, 3))
            values = rng.integers(0, 1 << bits, (5, width))
            w.same("p%d_%d.bmp" % (bits, width), bmp(values, bits, palette))
            w.same("p%d_%d_down.bmp" % (bits, width), bmp(values, bits, palette, top_down=True))
            w.same("p%d_%d_os2.bmp" % (bits, width), bmp(values, bits, palette, os2=True))
    w.same("short_palette.bmp", bmp(rng.integers(0, 12, (9, 11)), 4, rng.integers(0, 256, (6, 3))))
    w.same("b24_down.bmp", bmp(picture, 24, top_down=True))
    words = rng.integers(0, 1 << 16, (9, 11))
    longs = rng.integers(0, 1 << 32, (9, 11))
    w.same("b16.bmp", bmp(words, 16))
    w.same("b16_565.bmp", bmp(words, 16, masks=(0xF800, 0x7E0, 0x1F, 0)))
    w.same("b16_555.bmp", bmp(words, 16, masks=(0x7C00, 0x3E0, 0x1F, 0)))
    w.same("b32.bmp", bmp(longs, 32))
    w.same("b32_masks.bmp", bmp(longs, 32, masks=(0xFF0000, 0xFF00, 0xFF, 0)))
    w.same("b32_alpha.bmp", bmp(longs, 32, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000), v5=True))
    w.same("b32_rgba.bmp", bmp(longs, 32, masks=(0xFF, 0xFF00, 0xFF0000, 0xFF000000), v5=True))
    whole = saved(image, "BMP")
    for part in (0.005, 0.02, 0.5, 0.95):
        w.fail("cut_%d.bmp" % (part * 1000), whole[:int(part * len(whole)) + 12], "ends early")
    w.fail("rle.bmp", bmp(rng.integers(0, 256, (5, 8)), 8, rng.integers(0, 256, (256, 3)), compression=1), "RLE8")
    w.fail("huge.bmp", bmp(picture, 24, size=(20000, 20000)), "ends early")
    w.fail("zero.bmp", bmp(picture, 24, size=(0, 7)), "no pixels")
    w.fail("depth.bmp", bmp(picture[:, :, 0], 8)[:28] + b"\3\0" + whole[30:], "3 bits")


def make_pnm(w, rng):
    def text(values):
        return b" ".join(b"%d" % v for v in values.reshape(-1)) + b"\n"

    for maxval in (1, 15, 100, 255, 256, 1000, 65535):
        grey = rng.integers(0, maxval + 1, (7, 9))
        colour = rng.integers(0, maxval + 1, (7, 9, 3))
        kind = ">u2" if maxval > 255 else "u1"
        w.same("p2_%d.pgm" % maxval, b"P2\n9 7\n%d\n" % maxval + text(grey))
        w.same("p3_%d.ppm" % maxval, b"P3\n9 7\n%d\n" % maxval + text(colour))
        w.same("p5_%d.pgm" % maxval, b"P5\n9 7\n%d\n" % maxval + grey.astype(kind).tobytes())
        w.same("p6_%d.ppm" % maxval, b"P6\n9 7\n%d\n" % maxval + colour.astype(kind).tobytes())
    bits = rng.integers(0, 2, (7, 13))
    w.same("p1.pgm", b"P1\n13 7\n" + b"".join(b"%d" % b for b in bits.reshape(-1)))
    w.same("p4.pgm", b"P4\n13 7\n" + b"".join(pack(bits, 1)))
    pixels = rng.integers(0, 256, (2, 3, 3)).astype(np.uint8).tobytes()
    w.same("comments.ppm", b"P6 # a\n#b\n 3\t2 #c\n255\n" + pixels)
    w.same("above.ppm", b"P6 3 2 100 " + pixels)  # values above the largest
    w.same("after.ppm", b"P6 3 2 255 " + pixels + b"more")
    w.same("one.ppm", b"P6 1 1 255 abc")
    w.fail("cut.ppm", b"P6 3 2 255 " + pixels[:-1], "ends early (28 of 29 bytes)")
    w.fail("cut_header.ppm", b"P6 3 ", "ends early")
    w.fail("cut_plain.ppm", b"P3 3 2 255 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "ends early")
    w.fail("huge.ppm", b"P6 20000 20000 255 " + pixels, "ends early")
    w.fail("zero.ppm", b"P6 0 20000 255 " + pixels, "no pixels")
    w.fail("maxval.ppm", b"P6 3 2 65536 " + pixels, "65536")
    w.fail("letters.ppm", b"P6 x 2 255 " + pixels, "not part of a number")
    w.fail("value.pgm", b"P2 2 1 9 5 10 ", "above the largest")


def make_others(w):
    w.fail("empty.jpg", b"", "is empty")
    w.fail("text.jpg", b"hello, I am no picture", "not a picture")
    w.fail("page.png", b"<!DOCTYPE html><html></html>", "not a picture")
    w.fail("moving.gif", saved(Image.new("P", (3, 3)), "GIF"), "GIF")


# ---- transforms


class Pool:
    """Inputs are runs of one pool of bytes, so that they need no files of their own."""

    def __init__(self, rng):
        half = rng.integers(0, 256, 1 << 20).astype(np.uint8)
        extreme = (rng.integers(0, 2, 1 << 20) * 255).astype(np.uint8)
        smooth = (np.cumsum(rng.integers(-9, 10, 1 << 20)) % 256).astype(np.uint8)
        self.bytes = np.concatenate([half, extreme, smooth])
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


FILTERS = {0: T.InterpolationMode.BILINEAR, 1: T.InterpolationMode.BICUBIC}
PILLOW = {0: Image.Resampling.BILINEAR, 1: Image.Resampling.BICUBIC}


def random_box(rng, width, height):
    x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
    return x, y, int(rng.integers(1, width - x + 1)), int(rng.integers(1, height - y + 1))


def make_resizes(pool, rng):
    sizes = [((1, 1), (1, 1)), ((1, 1), (7, 5)), ((500, 3), (2, 90)), ((3, 500), (90, 2)), ((64, 64), (64, 64)),
             ((64, 48), (64, 20)), ((64, 48), (20, 48)), ((300, 200), (1, 1)), ((2, 2), (255, 255))]
    sizes += [(tuple(rng.integers(1, 160, 2)), tuple(rng.integers(1, 160, 2))) for _ in range(60)]
    for (width, height), (new_width, new_height) in sizes:
        for kind in (0, 1):
            boxes = [(0, 0, width, height), random_box(rng, width, height)]
            for x, y, bw, bh in boxes:
                at, image = pool.image(int(width), int(height))
                done = image.resize((int(new_width), int(new_height)), PILLOW[kind], (x, y, x + bw, y + bh))
                pool.add("resize %d %d %d %d %d %d %d %d %d %d" %
                         (at, width, height, x, y, bw, bh, new_width, new_height, kind), done)


def make_fits(pool, rng):
    cases = [((50, 37), 26, 22), ((37, 50), 26, 22), ((26, 40), 26, 22), ((40, 26), 26, 22), ((1, 1), 26, 22),
             ((600, 2), 26, 22), ((2, 600), 26, 22), ((30, 30), 20, 33), ((50, 37), 20, 26), ((37, 50), 20, 26),
             ((37, 50), 21, 26), ((22, 22), 22, 22), ((500, 375), 256, 224), ((375, 500), 256, 224),
             ((299, 201), 342, 299), ((700, 90), 64, 56), ((90, 700), 64, 56), ((21, 27), 21, 30)]
    cases += [(tuple(int(v) for v in rng.integers(1, 200, 2)), int(rng.integers(1, 60)), int(rng.integers(1, 60)))
              for _ in range(60)]
    for (width, height), resize, crop in cases:
        for kind in (0, 1):
            at, image = pool.image(width, height)
            done = F.center_crop(F.resize(image, resize, FILTERS[kind]), [crop, crop])
            pool.add("fit %d %d %d %d %d %d" % (at, width, height, resize, crop, kind), done)


def make_boxes(pool, rng):
    for _ in range(40):
        width, height = (int(v) for v in rng.integers(1, 200, 2))
        x, y, bw, bh = random_box(rng, width, height)
        crop = int(rng.integers(1, 60))
        for kind in (0, 1):
            at, image = pool.image(width, height)
            done = F.resized_crop(image, y, x, bh, bw, [crop, crop], FILTERS[kind])
            pool.add("box %d %d %d %d %d %d %d %d %d" % (at, width, height, x, y, bw, bh, crop, kind), done)


NORMALIZE = [(255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), (255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
             (1, (127, 127, 127), (128, 128, 128)), (255, (0, 0, 0), (1, 1, 1))]


def make_normalize(pool):
    data = pool.bytes[:16 * 16 * 3].reshape(16, 16, 3)
    out = b""
    for divisor, mean, std in NORMALIZE:
        if divisor == 255:
            tensor = T.ToTensor()(Image.fromarray(data))
        else:
            tensor = torch.from_numpy(data.copy()).permute(2, 0, 1).float()
        out += T.Normalize(mean, std)(tensor).contiguous().numpy().astype("<f4").tobytes()
    return out


def make_crops():
    torch.manual_seed(1)
    lines = []
    for width, height, lo, hi in ((500, 375, 0.5, 1.0), (375, 500, 0.08, 1.0), (640, 100, 0.5, 1.0), (50, 47, 0.25, 0.3)):
        image = torch.zeros(3, height, width)
        rows = []
        for _ in range(4000):
            y, x, h, w = T.RandomResizedCrop.get_params(image, [lo, hi], [3 / 4, 4 / 3])
            rows.append([w / width, h / height, w * h / (width * height), math.log(w / h), x / width, y / height])
        rows = np.array(rows)
        lines.append(" ".join(["%d %d %r %r" % (width, height, lo, hi)] + ["%.6f" % v for v in rows.mean(0)] +
                              ["%.6f" % v for v in rows.std(0) / math.sqrt(len(rows))]))
    return lines


def make(folder):
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(5)
    w = Writer(folder)
    for part in (make_jpeg, make_png, make_webp, make_tiff, make_bmp, make_pnm):
        part(w, rng)
    make_others(w)
    w.write("decode.txt", "\n".join(w.lines + [""]).encode())
    pool = Pool(rng)
    make_resizes(pool, rng)
    make_fits(pool, rng)
    make_boxes(pool, rng)
    w.write("pool.bin", pool.bytes.tobytes())
    w.write("out.bin", b"".join(pool.out))
    w.write("transform.txt", "\n".join(pool.lines + [""]).encode())
    w.write("normalize.bin", make_normalize(pool))
    w.write("crops.txt", "\n".join(make_crops() + [""]).encode())


if __name__ == "__main__":
    import sys
    make(sys.argv[1])
