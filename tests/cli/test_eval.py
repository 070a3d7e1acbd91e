"""graft eval: figures recomputed from its own table, which pictures it takes, and what it refuses."""
import csv
import json
import math
import os
import re
import shutil
import tempfile
import unittest

import command
import models
from command import graft

FOLDER = tempfile.mkdtemp(prefix="graft-test-eval-")


def setUpModule():
    models.write_seven(os.path.join(FOLDER, "data"))
    models.train(os.path.join(FOLDER, "data"), os.path.join(FOLDER, "run"), "--epochs", 12, "--val", 0.4, "--seed", 3)


def tearDownModule():
    shutil.rmtree(FOLDER)


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def wilson(right, count, z=1.959963984540054):
    p = right / count
    centre = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return centre - half, centre + half


class EvalTest(command.CommandTest):
    def setUp(self):
        super().setUp()
        self.data = os.path.join(FOLDER, "data")
        self.run_folder = os.path.join(FOLDER, "run")

    def evaluate(self, *arguments):
        """The JSON object and the table."""
        done = graft("eval", *arguments, "--json", "--csv", "table.csv", "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.count("\n"), 1)
        return json.loads(done.stdout), read_csv("table.csv")


class Figures(EvalTest):
    def test_figures_follow_from_the_table(self):
        found, table = self.evaluate(self.run_folder, self.data)
        self.assertEqual(len(table), 35)
        right = sum(row["class"] == row["predicted"] for row in table)
        self.assertLess(right, 35)  # pink and rose
        self.assertEqual(found["pictures"], 35)
        self.assertAlmostEqual(found["accuracy"], right / 35, 8)
        low, high = wilson(right, 35)
        self.assertAlmostEqual(found["accuracy_low"], low, 8)
        self.assertAlmostEqual(found["accuracy_high"], high, 8)
        self.assertAlmostEqual(found["log_loss"], sum(float(row["loss"]) for row in table) / 35, 7)
        self.assertEqual(found["majority"], {"class": "blue", "accuracy": round(1 / 7, 9)})
        for row in table:
            if row["class"] == row["predicted"]:
                self.assertAlmostEqual(float(row["loss"]), -math.log(float(row["probability"])), 5)
        losses = [float(row["loss"]) for row in table]
        self.assertEqual(losses, sorted(losses, reverse=True))

    def test_classes_and_confusion_follow_from_the_table(self):
        found, table = self.evaluate(self.run_folder, self.data)
        pairs = {(c["class"], c["said"]): c["pictures"] for c in found["confusion"]}
        self.assertEqual(len(pairs), len(found["confusion"]))
        for pair in {(row["class"], row["predicted"]) for row in table}:
            self.assertEqual(pairs.pop(pair), sum((row["class"], row["predicted"]) == pair for row in table))
        self.assertEqual(pairs, {})
        self.assertEqual([c["class"] for c in found["classes"]], sorted(models.SEVEN))
        for c in found["classes"]:
            support = sum(row["class"] == c["class"] for row in table)
            said = sum(row["predicted"] == c["class"] for row in table)
            correct = sum(row["class"] == row["predicted"] == c["class"] for row in table)
            self.assertEqual((c["pictures"], c["said"], c["correct"]), (support, said, correct))
            self.assertAlmostEqual(c["precision"], correct / said if said else 0, 8)
            self.assertAlmostEqual(c["recall"], correct / support, 8)
            self.assertAlmostEqual(c["f1"], 2 * correct / (said + support), 8)

    def test_top5_and_losses_follow_from_the_probabilities(self):
        found, _ = self.evaluate(self.run_folder, self.data)
        paths = [o["path"] for o in found["outcomes"]]
        done = graft("predict", self.run_folder, *paths, "--top", 0, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        among = 0
        for line, outcome in zip(done.stdout.splitlines(), found["outcomes"]):
            ranked = json.loads(line)["predictions"]
            probabilities = {p["class"]: p["probability"] for p in ranked}
            self.assertEqual(ranked[0]["class"], outcome["said"])
            self.assertEqual(ranked[outcome["rank"]]["class"], outcome["class"])
            self.assertAlmostEqual(outcome["loss"], -math.log(probabilities[outcome["class"]]), 4)
            among += outcome["rank"] < 5
        self.assertAlmostEqual(found["top5"], among / 35, 8)

    def test_the_screen_says_the_same(self):
        found, _ = self.evaluate(self.run_folder)
        done = graft("eval", self.run_folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")  # a bar is for a terminal alone
        text = done.stdout
        self.assertIn(f"{100 * found['accuracy']:.1f} % of 14 held-out pictures", text)
        self.assertIn(f"interval {100 * found['accuracy_low']:.1f} to {100 * found['accuracy_high']:.1f}", text)
        self.assertRegex(text, rf"top 5 +{100 * found['top5']:.1f} %")
        self.assertRegex(text, rf"log-loss +{found['log_loss']:.4f}")
        for c in found["classes"]:
            self.assertRegex(text, rf"(?m)^{c['class']} +{100 * c['precision']:.1f} % +{100 * c['recall']:.1f} % +"
                                   rf"{100 * c['f1']:.1f} % +{c['pictures']}$")
        tables = text.split("\n\n", 1)[1]
        self.assertLessEqual(max(map(len, tables.splitlines())), 80)

    def test_the_matrix_adds_up(self):
        found, _ = self.evaluate(self.run_folder, self.data)
        text = graft("eval", self.run_folder, self.data, "--quiet").stdout
        rows = re.findall(r"(?m)^(\d) (\w+) +((?:[\d.]+ *)+)$", text.split("said:")[1])
        self.assertEqual([name for _, name, _ in rows], sorted(models.SEVEN))
        names = [name for _, name, _ in rows]
        pairs = {(c["class"], c["said"]): c["pictures"] for c in found["confusion"]}
        for _, name, cells in rows:
            for said, cell in zip(names, cells.split()):
                self.assertEqual(0 if cell == "." else int(cell), pairs.get((name, said), 0))


class WhichPictures(EvalTest):
    def test_the_held_out_pictures_are_those_of_the_training(self):
        before = {row["path"]: row for row in read_csv(os.path.join(self.run_folder, "pictures.csv"))
                  if row["set"] == "held-out"}
        found, table = self.evaluate(self.run_folder)
        self.assertEqual(found["set"], "held-out")
        self.assertEqual(found["trained_on"], 0)
        self.assertEqual({row["path"] for row in table}, set(before))
        for row in table:
            self.assertEqual(row["predicted"], before[row["path"]]["predicted"])
            self.assertEqual(row["loss"], before[row["path"]]["loss"])

    def test_the_models_file_alone_is_enough(self):
        shutil.copy(os.path.join(self.run_folder, "model.safetensors"), "alone.safetensors")
        found, _ = self.evaluate("alone.safetensors")
        whole, _ = self.evaluate(self.run_folder)
        self.assertEqual(found["outcomes"], whole["outcomes"])

    def test_all_of_a_folder_says_what_it_was_trained_on(self):
        found, _ = self.evaluate(self.run_folder, self.data)
        self.assertEqual((found["set"], found["trained_on"]), ("all", 21))
        self.assertIn("35 in ", graft("eval", self.run_folder, self.data).stdout)
        self.assertIn("21 of them were trained on", command.unwrapped(graft("eval", self.run_folder, self.data).stdout))

    def test_pictures_are_known_by_content(self):
        trained = [row for row in read_csv(os.path.join(self.run_folder, "pictures.csv")) if row["set"] == "train"]
        for i, row in enumerate(trained[:3]):
            os.makedirs(os.path.join("other", row["class"]), exist_ok=True)
            shutil.copy(row["path"], os.path.join("other", row["class"], f"renamed{i}.ppm"))
        command.write_picture(os.path.join("other", trained[0]["class"], "new.ppm"), (1, 2, 3), "new")
        found, _ = self.evaluate(self.run_folder, "other")
        self.assertEqual((found["pictures"], found["trained_on"]), (4, 3))

    def test_new_pictures_were_not_trained_on(self):
        models.write_seven("fresh", 1, 90)
        found, _ = self.evaluate(self.run_folder, "fresh")
        self.assertEqual((found["pictures"], found["trained_on"]), (7, 0))
        self.assertIn("none of them was trained on", graft("eval", self.run_folder, "fresh").stdout)

    def test_a_val_folder_of_its_own(self):
        command.write_classes("own/train", ("blue", "red"), 3)
        command.write_classes("own/validation", ("blue", "red"), 2, 50)
        models.train("own", "run", "--epochs", 1)
        found, table = self.evaluate("run")
        self.assertEqual((found["set"], found["pictures"], found["top5"]), ("held-out", 4, None))
        self.assertTrue(all("/validation/" in row["path"] for row in table))

    def test_another_folder_was_held_out(self):
        command.write_classes("data", ("blue", "red"), 3)
        command.write_classes("aside", ("red",), 2, 50)
        models.train("data", "run", "--epochs", 1, "--val", "aside")
        found, table = self.evaluate("run")
        self.assertEqual(found["pictures"], 2)
        self.assertTrue(all("/aside/red/" in row["path"] for row in table))
        os.rename("aside", "elsewhere")
        self.refuses(1, ["aside", "not there any more", "graft eval run DATA"], "eval", "run")

    def test_unreadable_pictures_are_named_and_left_out(self):
        models.write_seven("some", 1)
        with open("some/red/bad.png", "wb") as stream:
            stream.write(b"\x89PNG\r\n\x1a\n and no more")
        found, table = self.evaluate(self.run_folder, "some")
        self.assertEqual(found["pictures"], 7)
        self.assertEqual([s["path"] for s in found["skipped"]], ["some/red/bad.png"])
        self.assertEqual((table[-1]["path"], table[-1]["set"], table[-1]["predicted"]), ("some/red/bad.png", "skipped", ""))
        self.assertEqual(table[-1]["cause"], found["skipped"][0]["cause"])
        self.assertRegex(graft("eval", self.run_folder, "some").stdout, r"left out +red/bad.png: \w+")


class Refusals(EvalTest):
    def test_nothing_was_held_out(self):
        command.write_classes("data", ("blue", "red"), 2)
        models.train("data", "run", "--epochs", 1, "--val", 0)
        self.refuses(1, ["held no pictures out", "graft eval run DATA"], "eval", "run")
        self.assertEqual(self.evaluate("run", "data")[0]["trained_on"], 4)

    def test_the_pictures_were_moved(self):
        command.write_classes("data", ("blue", "red"), 3)
        models.train("data", "run", "--epochs", 1)
        os.rename("data", "moved")
        self.refuses(1, ["not there any more", "graft eval run DATA"], "eval", "run")
        self.assertEqual(self.evaluate("run", "moved")[0]["trained_on"], 4)

    def test_the_classes_have_changed(self):
        command.write_classes("data", ("blue", "red"), 3)
        models.train("data", "run", "--epochs", 1)
        os.rename("data/red", "data/rouge")
        self.refuses(1, "other classes now", "eval", "run", "--quiet")

    def test_a_class_that_the_model_does_not_know(self):
        command.write_classes("data", ("blue", "green"), 1)
        os.rename("data/green", "data/gren")
        self.refuses(1, ["data/gren", "green"], "eval", self.run_folder, "data")

    def test_runs_that_are_none(self):
        os.mkdir("empty")
        self.refuses(1, "no-such-run", "eval", "no-such-run")
        self.refuses(1, "model.safetensors", "eval", "empty")
        self.refuses(1, "--model efficientnet_lite0", "eval", "efficientnet_lite0", "empty")

    def test_folders_that_are_none(self):
        os.mkdir("empty")
        self.refuses(1, "no-such-folder", "eval", self.run_folder, "no-such-folder")
        self.refuses(1, "empty", "eval", self.run_folder, "empty")

    def test_contradictory_options(self):
        self.refuses(2, "--model", "eval", self.run_folder, "--weights", "x.pth")
        self.refuses(2, "--model", "eval", self.run_folder, "--pictures", "as-seen")
        self.refuses(2, "too many", "eval", "--model", "efficientnet_lite0", self.run_folder, self.data)
        self.refuses(2, "too many", "eval", self.run_folder, self.data, "more")

    def test_a_table_that_cannot_be_written(self):
        self.refuses(1, "nowhere/table.csv", "eval", self.run_folder, "--csv", "nowhere/table.csv", "--quiet")

    def test_a_full_disk(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = command.subprocess.run([command.BINARY, "eval", self.run_folder, "--quiet"], stdout=full,
                                          stderr=command.subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)


class Published(EvalTest):
    """A network with its published head."""

    def setUp(self):
        super().setUp()
        models.write_published("weights.pth")
        self.arguments = ["--model", "efficientnet_lite0", "--weights", "weights.pth"]

    def test_folders_are_named_by_class_index(self):
        names = [str(i) for i in range(7, 960, 22)]  # 44 classes
        for name in names:
            os.makedirs(f"data/{name}")
            command.write_picture(f"data/{name}/a.ppm", (int(name) % 251, 90, int(name) // 4), name)
        found, table = self.evaluate("data", *self.arguments)
        self.assertEqual((found["run"], found["trained_on"], found["pictures"]), (None, None, 44))
        self.assertEqual({row["class"] for row in table}, set(names))
        self.assertEqual(len(found["classes"]), 1000)
        text = graft("eval", "data", *self.arguments, "--quiet").stdout
        self.assertIn("the 20 of 44 classes with the lowest F1", text)
        self.assertIn("that no picture here is of", text)
        self.assertRegex(text, r"the \d+ of 1,000 classes that were confused most")
        self.assertLessEqual(max(map(len, text.split("\n\n", 1)[1].splitlines())), 80)

    def test_refusals(self):
        command.write_classes("data", ("blue", "red"), 1)
        self.refuses(1, ["data/blue", "class index"], "eval", "data", *self.arguments)
        self.refuses(1, "did you mean efficientnet_lite0", "eval", "data", "--model", "eficientnet_lite0")
        self.refuses(1, ["efficientnet-lite0-57934424.pth", "57934424"], "eval", "data", "--model",
                     "efficientnet_lite0", env=command.environment(XDG_CACHE_HOME=self.folder))


if __name__ == "__main__":
    unittest.main()
