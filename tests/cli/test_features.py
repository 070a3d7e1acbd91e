"""graft features: rows that numpy opens, the same as PyTorch's, in the order of the pictures."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import numpy

import command
import models
from command import graft

FOLDER = tempfile.mkdtemp(prefix="graft-test-features-")
RUN = os.path.join(FOLDER, "run")
WEIGHTS = os.path.join(FOLDER, "weights.pth")
NODE = "_blocks.3"


def setUpModule():
    models.write_seven(os.path.join(FOLDER, "data"), 3)
    models.train(os.path.join(FOLDER, "data"), RUN, "--epochs", 1)


def tearDownModule():
    shutil.rmtree(FOLDER)


def read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def safetensors(path):
    """{name: array} of a file of F32 and U8."""
    with open(path, "rb") as stream:
        data = stream.read()
    length = int.from_bytes(data[:8], "little")
    header, data = json.loads(data[8:8 + length]), data[8 + length:]
    ends = [tensor["data_offsets"][1] for tensor in header.values()]
    assert max(ends) == len(data)
    return {name: numpy.frombuffer(data[slice(*t["data_offsets"])], {"F32": "<f4", "U8": "u1"}[t["dtype"]]).reshape(t["shape"])
            for name, t in header.items()}


class FeaturesTest(command.CommandTest):
    def setUp(self):
        super().setUp()
        self.pictures = []
        for seed in range(2):
            for i, (name, colour) in enumerate(models.SEVEN.items()):
                self.pictures.append(f"{seed}-{name}.ppm")
                command.write_picture(self.pictures[-1], colour, f"{seed}{name}", 20 + 7 * i)

    def features(self, *arguments, status=0, **options):
        done = graft("features", *arguments, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        return done


class Files(FeaturesTest):
    def test_npy_and_its_paths(self):
        done = self.features(RUN, *self.pictures, "-o", "x.npy")
        rows = numpy.load("x.npy")
        self.assertEqual((rows.shape, rows.dtype), ((14, 1280), numpy.float32))
        self.assertEqual(read("x.txt").splitlines(), self.pictures)
        self.assertIn("14 pictures, 1,280 numbers of each (view): x.npy, their paths in x.txt", command.unwrapped(done.stderr))
        self.assertEqual(sorted(set(os.listdir()) - set(self.pictures)), ["x.npy", "x.txt"])

    def test_safetensors_has_the_same(self):
        self.features(RUN, *self.pictures, "--out", "x.npy")
        self.features(RUN, *self.pictures, "--out=x.safetensors")
        found = safetensors("x.safetensors")
        self.assertEqual(found["features"].tobytes(), numpy.load("x.npy").tobytes())
        self.assertEqual(bytes(found["names"]).decode(), read("x.txt"))

    def test_company_and_order_change_nothing(self):
        """Each row has the same bits alone, among others, and with any number of workers."""
        self.features(RUN, *self.pictures, "-o", "x.npy")
        rows = numpy.load("x.npy")
        for pictures, workers in ((self.pictures[::-1], 1), (self.pictures[3:4], 0), (self.pictures * 40, 2)):
            self.features(RUN, *pictures, "-o", "y.npy", "--workers", workers)
            self.assertEqual(read("y.txt").splitlines(), pictures)
            expected = numpy.stack([rows[self.pictures.index(picture)] for picture in pictures])
            self.assertEqual(numpy.load("y.npy").tobytes(), expected.tobytes())

    def test_an_inner_node(self):
        self.features(RUN, *self.pictures[:3], "-o", "x.npy", "--node", NODE)
        self.assertEqual(numpy.load("x.npy").shape, (3, 40, 28, 28))
        self.features(RUN, *self.pictures[:3], "-o", "y.npy", "--node", "_conv_stem")
        self.assertEqual(numpy.load("y.npy").shape, (3, 32, 112, 112))

    def test_paths_that_need_care(self):
        strange = ["a b\\.ppm", "tab\there.ppm", "line\nend.ppm"]
        for path in strange:
            shutil.copy(self.pictures[0], path)
        self.features(RUN, *strange, "-o", "x.npy")
        self.assertEqual(read("x.txt"), "a b\\\\.ppm\ntab\\there.ppm\nline\\nend.ppm\n")

    def test_paths_from_stdin(self):
        done = subprocess.run([command.BINARY, "features", RUN, self.pictures[2], "-", "-o", "x.npy"], check=False,
                              input="\n".join(self.pictures[:2]), env=command.environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(read("x.txt").splitlines(), [self.pictures[2], *self.pictures[:2]])


class Numbers(FeaturesTest):
    def test_as_pytorch(self):
        import torch
        model = models.write_published(WEIGHTS)
        self.features("--model", "efficientnet_lite0", "--weights", WEIGHTS, *self.pictures[:4], "-o", "x.npy")
        self.features("--model", "efficientnet_lite0", "--weights", WEIGHTS, *self.pictures[:4], "-o", "y.npy", "--node", NODE)
        inner = {}
        model._blocks[3].register_forward_hook(lambda module, inputs, output: inner.update(output=output))
        with torch.no_grad():
            last = model.extract_features(torch.cat([self.seen(path) for path in self.pictures[:4]])).mean((2, 3))
        for found, expected in ((numpy.load("x.npy"), last.numpy()), (numpy.load("y.npy"), inner["output"].numpy())):
            self.assertEqual(found.shape, expected.shape)
            self.assertLess(numpy.linalg.norm(found - expected) / numpy.linalg.norm(expected), 1e-5)

    def seen(self, path):
        import torch
        from PIL import Image
        from torchvision import transforms
        see = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.PILToTensor()])
        return ((see(Image.open(path).convert("RGB")).float() - 127) / 128).unsqueeze(0).to(torch.float32)


class Trouble(FeaturesTest):
    def test_bad_pictures_are_named_and_left_out(self):
        with open("bad.png", "wb") as stream:
            stream.write(b"\x89PNG\r\n\x1a\n")
        done = self.features(RUN, self.pictures[0], "bad.png", "absent.ppm", self.pictures[1], ".", "-o", "x.npy", status=1)
        self.assertEqual(numpy.load("x.npy").shape, (2, 1280))
        self.assertEqual(read("x.txt").splitlines(), self.pictures[:2])
        said = [line for line in done.stderr.splitlines() if line.startswith("graft: ")]
        self.assertEqual([line.split(": ")[1] for line in said], ["bad.png", "absent.ppm", "."])

    def test_nothing_that_can_be_read(self):
        done = self.features(RUN, "absent.ppm", "-o", "x.npy", status=1)
        self.assertIn("nothing was written", done.stderr)
        self.assertEqual(sorted(os.listdir()), sorted(self.pictures))

    def test_a_node_that_does_not_exist(self):
        self.refuses(1, ('no node or module "_blocks.3._bm1"', "the nearest is _blocks.3._bn1"), "features", RUN,
                     self.pictures[0], "-o", "x.npy", "--node", "_blocks.3._bm1")
        self.assertFalse(os.path.exists("x.npy"))

    def test_what_is_missing(self):
        self.refuses(2, "no picture", "features", RUN, "-o", "x.npy")
        self.refuses(2, "-o FILE.npy", "features", RUN, "x.ppm")
        self.refuses(2, "--out needs a value", "features", RUN, "x.ppm", "-o")
        self.refuses(1, ".npy or .safetensors", "features", RUN, self.pictures[0], "-o", "x.csv")
        self.refuses(1, "no/such/x.npy", "features", RUN, self.pictures[0], "-o", "no/such/x.npy")


if __name__ == "__main__":
    unittest.main()
