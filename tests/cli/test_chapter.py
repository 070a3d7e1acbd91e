"""The chapter's listings in C: each runs on a VGG16 that PyTorch made from a seed and saved."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

import torch
from PIL import Image
from torch import nn
from torchvision import models

import command

EXAMPLES = os.environ["GRAFT_TEST_EXAMPLES"]
PARITY = os.path.join(os.environ["GRAFT_TEST_SOURCE"], "tests", "parity")
SEEDED = os.path.join(PARITY, "seeded.py")
sys.path.insert(0, PARITY)
import seeded  # noqa: E402


def example(name, *arguments):
    return subprocess.run([os.path.join(EXAMPLES, name), *arguments], capture_output=True, text=True, check=False,
                          env=command.environment(), timeout=600)


class Chapter(command.CommandTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kept = tempfile.TemporaryDirectory()
        cls.weights = os.path.join(cls.kept.name, "vgg16.pth")
        subprocess.run([sys.executable, "-B", SEEDED, cls.weights, "vgg16"], check=True, env=command.environment())

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()
        super().tearDownClass()

    def run_listing(self, name, pattern, count):
        command.write_classes("data", ("blue", "red"), 2)
        done = example(name, "data", self.weights, "2")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), count)
        for line in lines:
            self.assertRegex(line, pattern)
            self.assertTrue(float(line.split()[-1]) >= 0)

    def test_finetune_vgg16(self):
        self.run_listing("finetune_vgg16", r"^epoch \d+: mean loss \d+\.\d{3}$", 10)

    def test_finetune_last_layers(self):
        self.run_listing("finetune_last_layers", r"^\[\d+, +2\] loss: \d+\.\d{3}$", 10)

    def test_combination(self):
        self.run_listing("combination", r"^(head|fine) \[\d+, +2\] loss: \d+\.\d{3}$", 15)

    def test_feature_extractor_vgg16(self):
        self.run_listing("feature_extractor_vgg16", r"^\[\d+, +2\] loss: \d+\.\d{3}$", 10)
        picture = os.path.join("data", "blue", "00.ppm")
        done = command.graft("predict", "feature_extractor_vgg16.safetensors", picture, "--emit", "logits", "--top", "0")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        said = {name: float(value) for _, name, value in (line.split("\t") for line in done.stdout.splitlines())}
        for name, value in zip(("blue", "red"), self.in_pytorch("feature_extractor_vgg16.safetensors", picture)):
            self.assertAlmostEqual(said[name], value, delta=1e-5 * max(1.0, abs(value)))

    def in_pytorch(self, file, picture):
        """The chapter's own module opens the file, its features are as they were: what it says of a picture."""
        features = models.vgg16(weights=None).features
        head = nn.Sequential(nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 2), nn.LogSoftmax(dim=1))
        model = nn.Sequential(features, nn.Flatten(), head).eval()
        model.load_state_dict(seeded.read_safetensors(file), strict=True)
        before = torch.load(self.weights)
        for key, value in features.state_dict().items():
            self.assertTrue(torch.equal(value, before["features." + key]), key)
        with torch.no_grad():
            return model(seeded.transform_of("vgg16")(Image.open(picture).convert("RGB"))[None])[0].tolist()

    def test_what_is_missing(self):
        command.write_classes("data", ("blue", "red"), 2)
        for name in ("finetune_vgg16", "feature_extractor_vgg16", "finetune_last_layers", "combination"):
            done = example(name, "data", "no.pth")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertTrue(re.match(r"no\.pth: .+\n$", done.stderr), done.stderr)
            self.assertEqual(example(name).returncode, 2)


if __name__ == "__main__":
    unittest.main()
