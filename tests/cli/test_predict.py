"""graft predict: lines in order, as soon as they are known, whatever else happens."""
import json
import math
import os
import select
import shutil
import signal
import subprocess
import tempfile
import unittest

import command
import models
from command import graft

FOLDER = tempfile.mkdtemp(prefix="graft-test-predict-")
RUN = os.path.join(FOLDER, "run")


def setUpModule():
    models.write_seven(os.path.join(FOLDER, "data"), 3)
    models.train(os.path.join(FOLDER, "data"), RUN, "--epochs", 10)


def tearDownModule():
    shutil.rmtree(FOLDER)


def softmax(values):
    largest = max(values)
    powers = [math.exp(v - largest) for v in values]
    return [p / sum(powers) for p in powers]


class PredictTest(command.CommandTest):
    def setUp(self):
        super().setUp()
        self.pictures = []
        for i, (name, colour) in enumerate(models.SEVEN.items()):
            for seed in range(3):
                self.pictures.append(f"{seed}-{name}.ppm")
                command.write_picture(self.pictures[-1], colour, f"{seed}{name}", 20 + 7 * i)

    def predict(self, *arguments, **options):
        done = graft("predict", RUN, *arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def predict_json(self, *arguments):
        done = graft("predict", RUN, *arguments, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]


class Lines(PredictTest):
    def test_a_line_a_picture_in_the_order_given(self):
        lines = self.predict(*self.pictures)
        self.assertEqual([line[0] for line in lines], self.pictures)
        for _, name, probability in lines:
            self.assertIn(name, models.SEVEN)
            self.assertTrue(1 / 7 <= float(probability) <= 1)
        right = sum(path.endswith(f"-{name}.ppm") for path, name, _ in lines)
        self.assertGreater(right, 12)  # it has learnt colours: 3 would be chance

    def test_top(self):
        picture = self.pictures[4]
        lines = self.predict(picture, "--top", 3)
        self.assertEqual(len(lines), 3)
        values = [float(line[2]) for line in lines]
        self.assertEqual(values, sorted(values, reverse=True))
        everything = self.predict(picture, "--top", 0)
        self.assertEqual(everything[:3], lines)
        self.assertEqual({line[1] for line in everything}, set(models.SEVEN))
        self.assertAlmostEqual(sum(float(line[2]) for line in everything), 1, 4)
        self.assertEqual(self.predict(picture, "--top", 99), everything)

    def test_logits_are_what_probabilities_are_made_of(self):
        for pictures in (self.pictures[:1], self.pictures[:5]):
            for logits, probabilities in zip(self.predict_json(*pictures, "--top", 0, "--emit", "logits"),
                                             self.predict_json(*pictures, "--top", 0)):
                self.assertEqual(logits["path"], probabilities["path"])
                self.assertEqual([p["index"] for p in logits["predictions"]],
                                 [p["index"] for p in probabilities["predictions"]])
                for p, q in zip(softmax([p["logit"] for p in logits["predictions"]]), probabilities["predictions"]):
                    self.assertAlmostEqual(p, q["probability"], 6)

    def test_json_has_the_same(self):
        names = sorted(models.SEVEN)
        for line, found in zip(self.predict(*self.pictures), self.predict_json(*self.pictures)):
            best, = found["predictions"]
            self.assertEqual((found["path"], best["class"]), (line[0], line[1]))
            self.assertEqual(names[best["index"]], best["class"])
            self.assertAlmostEqual(best["probability"], float(line[2]), 5)

    def test_company_changes_nothing(self):
        together = self.predict_json(*self.pictures, "--top", 0)
        for picture, among in list(zip(self.pictures, together))[::6]:
            alone, = self.predict_json(picture, "--top", 0)
            self.assertEqual(alone["path"], among["path"])
            for p, q in zip(alone["predictions"], among["predictions"]):
                self.assertAlmostEqual(p["probability"], q["probability"], 5)
        for workers in (0, 1, 4):
            self.assertEqual(self.predict_json(*self.pictures, "--top", 0, "--workers", workers), together)

    def test_more_pictures_than_a_portion(self):
        many = [self.pictures[0], self.pictures[9]] * 260
        few = self.predict(*many[:2])
        lines = self.predict(*many)
        self.assertEqual(len(lines), 520)
        self.assertEqual(lines, few * 260)

    def test_the_file_alone_is_enough(self):
        shutil.copy(os.path.join(RUN, "model.safetensors"), "m.safetensors")
        done = graft("predict", "m.safetensors", self.pictures[0])
        self.assertEqual([done.stdout.rstrip("\n").split("\t")], self.predict(self.pictures[0]))


class StandardInput(PredictTest):
    def feed(self, text, *arguments):
        return subprocess.run([command.BINARY, "predict", RUN, *arguments], input=text, capture_output=True,
                              env=command.environment(), check=False, timeout=300)

    def test_paths_come_from_stdin(self):
        text = "\n".join(self.pictures[1:4]).encode()
        for ending in (b"", b"\n", b"\n\n"):
            done = self.feed(text + ending, self.pictures[0], "-", self.pictures[4])
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual([line.split("\t")[0] for line in done.stdout.decode().splitlines()], self.pictures[:5])

    def test_nothing_on_stdin(self):
        done = self.feed(b"", "-")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_a_line_that_is_no_path(self):
        done = self.feed(self.pictures[0].encode() + b"\n" + b"x" * 100000, "-")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout.count(b"\n"), 1)
        self.assertIn(b"longer than any path", done.stderr)

    def test_an_answer_comes_before_the_next_question(self):
        process = subprocess.Popen([command.BINARY, "predict", RUN, self.pictures[0], "-"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, env=command.environment())
        self.addCleanup(process.kill)
        for i, picture in enumerate(self.pictures[:4]):
            if i > 0:
                process.stdin.write(picture.encode() + b"\n")
                process.stdin.flush()
            self.assertTrue(select.select([process.stdout], [], [], 120)[0])
            self.assertEqual(os.read(process.stdout.fileno(), 65536).split(b"\t")[0], picture.encode())
        process.stdin.close()
        self.assertEqual(process.wait(60), 0)
        process.stdout.close()


class BadPictures(PredictTest):
    def test_the_others_go_on(self):
        with open("html.jpg", "w", encoding="utf-8") as stream:
            stream.write("<html></html>")
        with open("cut.ppm", "wb") as stream:
            stream.write(b"P6 40 40 255\n123")
        os.mkdir("folder")
        given = [self.pictures[0], "html.jpg", "gone.png", self.pictures[1], "folder", "cut.ppm", self.pictures[2]]
        done = graft("predict", RUN, *given)
        self.assertEqual(done.returncode, 1)
        self.assertEqual([line.split("\t")[0] for line in done.stdout.splitlines()], self.pictures[:3])
        said = done.stderr.splitlines()
        self.assertEqual(len(said), 4)
        for line, words in zip(said, ("html.jpg: ", "gone.png: No such file", "folder: a folder", "cut.ppm: ")):
            self.assertTrue(line.startswith("graft: " + words), line)
        self.assertIn("find FOLDER -type f | graft predict RUN -", said[2])

    def test_one_alone(self):
        for name, words in (("gone.png", "graft: gone.png: No such file or directory\n"),
                            (".", "graft: .: a folder; ")):
            done = graft("predict", RUN, name)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertTrue(done.stderr.startswith(words), done.stderr)

    def test_json_keeps_their_places(self):
        done = graft("predict", RUN, self.pictures[0], "gone.png", self.pictures[1], "--json")
        self.assertEqual(done.returncode, 1)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([f["path"] for f in found], [self.pictures[0], "gone.png", self.pictures[1]])
        self.assertEqual(found[1]["error"], "No such file or directory")
        self.assertNotIn("predictions", found[1])


class Names(PredictTest):
    def test_names_that_would_break_a_line(self):
        names = ["a\tb.ppm", "a\nb.ppm", "a\\tb.ppm", "a\rb.ppm"]
        for name in names:
            shutil.copy(self.pictures[0], name)
        escaped = ["a\\tb.ppm", "a\\nb.ppm", "a\\\\tb.ppm", "a\\rb.ppm"]
        done = subprocess.run([command.BINARY, "predict", RUN, *names], capture_output=True, check=True,
                              env=command.environment())
        lines = done.stdout.decode().split("\n")[:-1]
        self.assertEqual([line.split("\t")[0] for line in lines], escaped)
        self.assertEqual({line.count("\t") for line in lines}, {2})
        self.assertEqual([f["path"] for f in self.predict_json(*names)], names)

    def test_names_that_are_not_utf8(self):
        name = b"caf\xe9.ppm"
        shutil.copy(self.pictures[0].encode(), name)
        arguments = [command.BINARY, "predict", RUN, name]
        done = subprocess.run(arguments, capture_output=True, check=True, env=command.environment())
        self.assertEqual(done.stdout.split(b"\t")[0], name)
        done = subprocess.run(arguments + ["--json"], capture_output=True, check=True, env=command.environment())
        self.assertEqual(json.loads(done.stdout)["path"], "caf\ufffd.ppm")


class Readers(PredictTest):
    def test_a_reader_that_leaves(self):
        read, write = os.pipe()
        process = subprocess.Popen([command.BINARY, "predict", RUN, *self.pictures * 3], stdout=write,
                                   stderr=subprocess.PIPE, env=command.environment())
        os.close(write)
        os.read(read, 1)
        os.close(read)
        said = process.communicate(timeout=300)[1]
        self.assertEqual((process.returncode, said), (-signal.SIGPIPE, b""))

    def test_a_full_disk(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([command.BINARY, "predict", RUN, *self.pictures[:3]], stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False, env=command.environment())
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)


class Refusals(PredictTest):
    def test_what_makes_no_sense(self):
        self.refuses(2, "no picture", "predict", RUN)
        self.refuses(2, "RUN PICTURE", "predict")
        self.refuses(2, "--emit", "predict", RUN, self.pictures[0], "--emit", "softmax")
        self.refuses(2, "--top", "predict", RUN, self.pictures[0], "--top", "-1")
        self.refuses(2, "--model", "predict", RUN, self.pictures[0], "--weights", "x.pth")
        self.refuses(2, "--model", "predict", RUN, self.pictures[0], "--pictures", "as-pillow")

    def test_runs_that_are_none(self):
        self.refuses(1, "no-such-run", "predict", "no-such-run", self.pictures[0])
        self.refuses(1, self.pictures[0], "predict", self.pictures[0], self.pictures[1])
        self.refuses(1, "--model efficientnet_lite0", "predict", "efficientnet_lite0", self.pictures[0])


class Published(PredictTest):
    def test_logits_are_pytorchs(self):
        import numpy
        import torch
        from PIL import Image
        from torchvision.transforms.functional import center_crop, resize
        model = models.write_published("weights.pth")
        arguments = ["--model", "efficientnet_lite0", "--weights", "weights.pth", "--pictures", "as-pillow", "--json",
                     "--emit", "logits", "--top", 0]
        draw = numpy.random.default_rng(3)
        for i in range(2):
            Image.fromarray(draw.integers(0, 256, (300, 280 + 50 * i, 3), dtype=numpy.uint8)).save(f"{i}.png")
        for given in (["0.png"], ["0.png", "1.png"]):
            done = graft("predict", *given, *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            for path, line in zip(given, done.stdout.splitlines()):
                found = sorted(json.loads(line)["predictions"], key=lambda p: p["index"])
                self.assertEqual([p["class"] for p in found], [str(i) for i in range(1000)])
                picture = center_crop(resize(Image.open(path).convert("RGB"), 256), 224)
                x = (torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)[None].float() - 127) / 128
                with torch.no_grad():
                    expected = model(x)[0]
                got = torch.tensor([p["logit"] for p in found])
                self.assertLess(float((got - expected).norm() / expected.norm()), 1e-5)


if __name__ == "__main__":
    unittest.main()
