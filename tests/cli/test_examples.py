"""The examples: they run, and do what they show."""
import json
import os
import re
import subprocess
import unittest

import command
import models
from command import graft

EXAMPLES = os.environ["GRAFT_TEST_EXAMPLES"]


def example(name, *arguments):
    return subprocess.run([os.path.join(EXAMPLES, name), *arguments], capture_output=True, text=True, check=False,
                          env=command.environment(), timeout=300)


class Examples(command.CommandTest):
    def test_train_head_and_predict(self):
        command.write_classes("data", ("blue", "green", "red"), 5)
        models.write_published("weights.pth")
        done = example("train_head", "data", "out.safetensors", "weights.pth")
        self.assertEqual(done.returncode, 0, done.stderr)
        losses = [float(loss) for loss in re.findall(r"(?m)^\[\d+, +1\] loss: ([\d.]+)$", done.stdout)]
        self.assertEqual(len(losses), 20)
        self.assertLess(losses[-1], losses[0])
        self.assertRegex(done.stdout, r"accuracy: [\d.]+ % of 3 held-out pictures\n$")
        command.write_classes("own/train", ("blue", "green", "red"), 5)
        command.write_classes("own/val", ("blue", "green", "red"), 2, 5)
        own = example("train_head", "own", "own.safetensors", "weights.pth")
        self.assertRegex(own.stdout, r"accuracy: [\d.]+ % of 6 held-out pictures\n$", own.stderr)
        self.assertEqual(json.loads(graft("inspect", "out.safetensors", "--json").stdout)["model"]["trained"], ["_fc"])

        shown = example("predict", "out.safetensors", "data/red/00.ppm")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        rows = [line.split("\t") for line in shown.stdout.splitlines()]
        self.assertEqual([row[:2] for row in rows], [[str(i), name] for i in (0, 1) for name in ("blue", "green", "red")])
        with open("black.ppm", "wb") as stream:
            stream.write(b"P6 640 480 255\n" + bytes(640 * 480 * 3))
        found = graft("predict", "out.safetensors", "data/red/00.ppm", "black.ppm", "--top", "0", "--json").stdout
        for i, line in enumerate(found.splitlines()):
            for p in json.loads(line)["predictions"]:
                self.assertAlmostEqual(float(rows[3 * i + p["index"]][2]), p["probability"], 3)

    def test_failures_are_sentences(self):
        for arguments in (["nothing.safetensors", "x.jpg"], ["nothing", "x.jpg"]):
            done = example("predict", *arguments)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(arguments[0], done.stderr)
        done = example("train_head", "nowhere", "out.safetensors")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("nowhere", done.stderr)
        self.assertEqual(example("predict").returncode, 2)
        self.assertEqual(example("train_head").returncode, 2)

    def test_embedding_is_short(self):
        with open(os.path.join(command.SOURCE, "examples", "predict.c"), encoding="utf-8") as stream:
            text = stream.read()
        self.assertLess(text.count("\n"), 40)
        self.assertLessEqual(max(map(len, text.splitlines())), 110)


if __name__ == "__main__":
    unittest.main()
