"""Decode, resize 256, crop 224 of every JPEG in a folder, on one thread: torchvision|pillow|opencv FOLDER.

torchvision and pillow make the pixels that graft makes; OpenCV's antialiased resize (INTER_AREA) makes others."""
import glob
import os
import sys
import time

LEAST_SECONDS = .5


def sizes(width, height):
    short = min(width, height)
    width, height = 256 * width // short, 256 * height // short
    return width, height, (width - 224) // 2, (height - 224) // 2


def of_torchvision():
    import torch
    from PIL import Image
    from torchvision import transforms
    torch.set_num_threads(1)
    transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    return lambda path: transform(Image.open(path).convert("RGB"))


def of_pillow():
    from PIL import Image

    def load(path):
        image = Image.open(path).convert("RGB")
        width, height, left, top = sizes(*image.size)
        return image.resize((width, height), Image.BILINEAR).crop((left, top, left + 224, top + 224))
    return load


def of_opencv():
    import cv2
    cv2.setNumThreads(1)

    def load(path):
        image = cv2.imread(path)
        width, height, left, top = sizes(image.shape[1], image.shape[0])
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)[top:top + 224, left:left + 224]
    return load


def main():
    load = {"torchvision": of_torchvision, "pillow": of_pillow, "opencv": of_opencv}[sys.argv[1]]()
    paths = sorted(glob.glob(os.path.join(sys.argv[2], "*", "*.jpg")))

    def all_of_them():
        for path in paths:
            load(path)
    all_of_them()
    print("ready", flush=True)
    for _ in sys.stdin:
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < LEAST_SECONDS:
            all_of_them()
            count += len(paths)
        print("%.9f" % ((time.perf_counter() - began) / count), flush=True)


main()
