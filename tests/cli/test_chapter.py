"""The chapter's listings in C: each runs on a VGG16 that PyTorch made from a seed and saved."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

import command

EXAMPLES = os.environ["GRAFT_TEST_EXAMPLES"]
SEEDED = os.path.join(os.environ["GRAFT_TEST_SOURCE"], "tests", "parity", "seeded.py")


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

    def test_what_is_missing(self):
        command.write_classes("data", ("blue", "red"), 2)
        for name in ("finetune_vgg16", "finetune_last_layers", "combination"):
            done = example(name, "data", "no.pth")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertTrue(re.match(r"no\.pth: .+\n$", done.stderr), done.stderr)
            self.assertEqual(example(name).returncode, 2)


if __name__ == "__main__":
    unittest.main()
