"""--augment takes a list of steps, and examples/augmentation.c shows what they make of pictures."""
import json
import os
import subprocess
import unittest

from PIL import Image

from command import CommandTest, environment, graft, unwrapped, write_classes

STEPS = "crop(0.35,1) flip rotate(15) jitter(0.4,0.4,0.4,0.1)"
NONE = ("--weights", "none", "--epochs", "1")


def read(path):
    with open(path, "rb") as stream:
        return stream.read()


class Lists(CommandTest):
    def run_with(self, augment, run, *more):
        done = graft("train", "data", *NONE, "--augment", augment, "--out", run, *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_a_list_trains_whatever_the_workers(self):
        write_classes("data", count=6)
        done = self.run_with(STEPS, "a", "--workers", "0")
        self.assertIn("run every epoch, because views are random", unwrapped(done.stderr))
        self.assertEqual(json.loads(read("a/args.json"))["augment"], STEPS)
        self.run_with(STEPS, "b", "--workers", "3")
        self.assertEqual(read("a/model.safetensors"), read("b/model.safetensors"))
        self.run_with("rotate(15)", "c")
        self.assertNotEqual(read("a/model.safetensors"), read("c/model.safetensors"))

    def test_words_alone(self):
        write_classes("data", count=4)
        for word, written, kept in (("none", "none", True), ("flip", "flip", True), ("crop", "crop(0.5,1) flip", False)):
            done = self.run_with(word, word)
            self.assertEqual(json.loads(read(f"{word}/args.json"))["augment"], written)
            self.assertEqual("run once a picture" in done.stderr, kept)
        self.run_with("crop(0.5,1) flip", "list")
        self.assertEqual(read("crop/model.safetensors"), read("list/model.safetensors"))

    def test_a_caret_stands_under_the_place(self):
        for text, place, words in (("flip rotate(15", 14, "column 15"), ("cutout", 0, "there are crop, flip, rotate, jitter"),
                                   ("flip colorjitter(.4)", 5, "column 6"), ("crop(0.9,.5)", 9, "hi is not below lo"),
                                   ("mirör flip(1)", 0, "column 1"), ("flip ö", 5, "column 6")):
            done = self.refuses(2, ("--augment", words), "train", "DATA", "--augment", text)
            self.assertEqual(done.stderr.splitlines()[1:], ["  " + text, "  " + " " * place + "^"])


class Sheet(CommandTest):
    def example(self, *arguments):
        return subprocess.run([os.path.join(os.environ["GRAFT_TEST_EXAMPLES"], "augmentation"), *arguments], text=True,
                              capture_output=True, check=False, env=environment(), timeout=300)

    def test_a_picture_and_eight_views_a_row(self):
        write_classes("data", count=3)
        done = self.example("data", "sheet.png")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        with Image.open("sheet.png") as sheet:
            self.assertEqual((sheet.mode, sheet.size), ("RGB", (2152, 968)))
            rows = [[self.tile(sheet, row, column) for column in range(9)] for row in range(4)]
        self.assertEqual(len({view for row in rows for view in row}), 36)
        for row, name in zip(rows, ("blue/01", "green/00", "green/02", "red/01")):
            with Image.open(f"data/{name}.ppm") as picture:
                whole = picture.resize((256, 256), Image.Resampling.BILINEAR)
            self.assertEqual(row[0], whole.crop((16, 16, 240, 240)).tobytes())

    def tile(self, sheet, row, column):
        x, y = 24 + column * 232 + (16 if column else 0), 24 + row * 232
        frame = sheet.crop((x - 1, y - 1, x + 225, y + 225))
        self.assertEqual({frame.getpixel(at) for at in ((0, 0), (225, 0), (0, 225), (225, 225))}, {(255, 255, 255)})
        return sheet.crop((x, y, x + 224, y + 224)).tobytes()

    def test_fewer_pictures_than_rows(self):
        write_classes("data", names=("blue", "green"), count=1)
        self.assertEqual(self.example("data", "sheet.png").returncode, 0)

    def test_failures_are_sentences(self):
        write_classes("data", count=2)
        for arguments, words in ((("nowhere", "sheet.png"), "nowhere"), (("data", "no/folder/sheet.png"), "no/folder/sheet.png")):
            done = self.example(*arguments)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(words, done.stderr)
        self.assertEqual(self.example().returncode, 2)


if __name__ == "__main__":
    unittest.main()
