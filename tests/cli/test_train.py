"""`graft train` from end to end, on small pictures and random weights."""
import csv
import hashlib
import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import unittest

from command import BINARY, CommandTest, environment, graft, unwrapped, write_classes, write_picture

FILES = ["args.json", "history.csv", "model.safetensors", "pictures.csv"]
NONE = ("--weights", "none")


def read(path):
    with open(path, "rb") as stream:
        return stream.read()


def table(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def metadata(path):
    """Of a safetensors file."""
    data = read(path)
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8:8 + length])["__metadata__"]


def content(path):
    return hashlib.sha256(read(path)).hexdigest()[:16]


class TrainTest(CommandTest):
    def setUp(self):
        super().setUp()
        write_classes("data")

    def train(self, *arguments, status=0, **options):
        done = graft("train", *arguments, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        return done


class Run(TrainTest):
    def test_every_file(self):
        done = self.train("data", *NONE, "--epochs", "3")
        self.assertEqual(os.listdir("runs"), ["data-1"])
        self.assertEqual(sorted(os.listdir("runs/data-1")), FILES)
        self.assertEqual(done.stdout, "")
        history = table("runs/data-1/history.csv")
        self.assertEqual(list(history[0]), "phase epoch loss held_out_loss held_out_accuracy rate seconds".split())
        self.assertEqual([(row["phase"], row["epoch"]) for row in history], [("train", "1"), ("train", "2"), ("train", "3")])
        self.assertTrue(all(float(value) >= 0 for row in history for name, value in row.items() if name != "phase"))

    def test_pictures_table(self):
        write_picture("data/red/more.ppm", (200, 0, 0), 1)
        with open("data/red/broken.jpg", "wb") as stream:
            stream.write(b"not a picture")
        self.train("data", *NONE, "--epochs", "1")
        pictures = table("runs/data-1/pictures.csv")
        self.assertEqual(len(pictures), 32)
        kinds = {}
        for row in pictures:
            kinds[row["set"]] = kinds.get(row["set"], 0) + 1
            self.assertEqual(row["predicted"] == "", row["set"] == "skipped", row)
        self.assertEqual(sorted(kinds.values()), [1, 6, 25])
        self.assertTrue(pictures[-1]["path"].endswith("data/red/broken.jpg"))
        self.assertNotEqual(pictures[-1]["cause"], "")
        losses = [float(row["loss"]) for row in pictures[:-1]]
        self.assertEqual(losses, sorted(losses, reverse=True))

    def test_gram_form(self):
        """Another way to the same numbers: a head of two layers whose first one trains from products of features."""
        histories = {}
        for form in ("on", "off"):
            done = self.train("data", *NONE, "--head", "linear(24) relu dropout(0.5) linear", "--epochs", "3", "--gram", form,
                              "--nesterov", "--out", form)
            self.assertEqual("Gram form" in done.stderr, form == "on")
            self.assertEqual("and products of features " in done.stderr, form == "on")
            args = json.loads(read(f"{form}/args.json"))
            self.assertEqual((args["gram"], args["nesterov"]), (form, True))
            histories[form] = table(f"{form}/history.csv")
        self.assertEqual(len(histories["on"]), 3)
        for a, b in zip(histories["on"], histories["off"]):
            for column in ("loss", "held_out_loss"):
                self.assertAlmostEqual(float(a[column]) / float(b[column]), 1, places=4)
        self.refuses(1, "random ones are not kept", "train", "data", *NONE, "--gram", "on", "--augment", "crop", "--out", "no")

    def test_measured_kernels(self):
        """What was chosen is said and recorded; the weights are the rule's but for rounding."""
        words = {"direct", "winograd", "blocked", "channels-last"}
        heads = {}
        for kernels in ("rule", "measure", "direct"):
            done = self.train("data", *NONE, "--trainable", "_conv_head,head", "--start", "zero", "--epochs", "1", "--kernels",
                              kernels, "--out", kernels)
            lines = [line for line in done.stderr.splitlines() if line.startswith("kernels")]
            self.assertEqual(len(lines), 2 if kernels == "measure" else 0, lines)
            self.assertTrue(all(" ms; by the rule " in line for line in lines))
            args = json.loads(read(f"{kernels}/args.json"))
            self.assertEqual(args["kernels"], kernels)
            taken = set(args["plans"].values())
            self.assertTrue(taken <= ({"direct"} if kernels == "direct" else words), taken)
            heads[kernels] = table(f"{kernels}/history.csv")[0]
        for kernels in ("measure", "direct"):
            self.assertAlmostEqual(float(heads[kernels]["loss"]), float(heads["rule"]["loss"]), places=4)

    def test_precision(self):
        """Where bf16 is not faster there is one word, and everything is as in f32; elsewhere it is said and noted."""
        old = environment(ONEDNN_MAX_CPU_ISA="AVX2")
        for precision in ("f32", "bf16"):
            done = self.train("data", *NONE, "--epochs", "2", "--json", "--precision", precision, "--out", precision, env=old)
            word = "bf16 would not be faster here (avx2): what is frozen is computed in f32"
            self.assertEqual(unwrapped(done.stderr).count(word), int(precision == "bf16"))
            self.assertEqual(json.loads(read(f"{precision}/args.json"))["precision"], "f32")
            self.assertEqual([e["precision"] for e in lines(done.stdout) if e["event"] == "plan"], ["f32"])
        self.assertEqual(read("f32/history.csv").splitlines()[1].split(b",")[2], read("bf16/history.csv").splitlines()[1].split(b",")[2])
        done = self.train("data", *NONE, "--epochs", "1", "--precision", "bf16", "--out", "new")
        used = json.loads(read("new/args.json"))["precision"]
        self.assertEqual(("would not be faster" in unwrapped(done.stderr), "frozen, run once a picture, in bf16" in unwrapped(done.stderr)),
                         (used == "f32", used == "bf16"))
        for command in (("predict", "f32", "data/red/00.ppm"), ("eval", "f32"), ("features", "f32", "data/red/00.ppm", "-o", "f.npy"),
                        ("inspect", "efficientnet_lite0", "--plan", "--batch", "0")):
            for precision in ("f32", "bf16"):
                done = graft(*command, "--precision", precision, env=old)
                self.assertEqual((done.returncode, word in unwrapped(done.stderr)), (0, precision == "bf16"), done.stderr)
        self.refuses(2, "f32|bf16", "train", "data", *NONE, "--precision", "f16")
        self.refuses(2, "needs --plan", "inspect", "efficientnet_lite0", "--precision", "bf16")

    def test_args_hold_every_option(self):
        self.train("data", *NONE, "--epochs", "2", "--batch", "7", "--lr", ".05", "--seed", "3", "--augment", "none")
        args = json.loads(read("runs/data-1/args.json"))
        names = {line.split("`--")[1].split("`")[0].split(" ")[0]
                 for line in graft("help", "--markdown", "train").stdout.splitlines()[2:]}
        self.assertEqual(set(args) - names, {"graft", "data", "plans"})
        self.assertEqual(names - set(args), set())
        expected = {"model": "efficientnet_lite0", "weights": "none", "trainable": "head", "freeze": None, "epochs": 2,
                    "batch": 7, "lr": .05, "body-lr": .05, "momentum": .9, "schedule": "cosine", "warmup": 0, "clip": 0,
                    "start": "zero", "augment": "none", "nesterov": False, "gram": "off", "kernels": "rule", "precision": "f32", "batch-norm": "still", "val": .2, "pictures": "as-seen",
                    "folds": None, "cache": "disk", "cache-size": 16 << 30, "seed": 3, "out": "runs/data-1", "force": False, "json": False, "quiet": False}
        for name, value in expected.items():
            if isinstance(value, float):
                self.assertAlmostEqual(args[name], value, places=6, msg=name)
            else:
                self.assertEqual(args[name], value, name)
        self.assertAlmostEqual(args["weight-decay"], .01)
        self.assertGreaterEqual(args["threads"], 1)
        self.assertGreaterEqual(args["workers"], 1)

    def test_notes_say_what_it_was_trained_on(self):
        self.train("data", *NONE, "--epochs", "1", "--seed", "5")
        notes = metadata("runs/data-1/model.safetensors")
        self.assertEqual(notes["graft.data"], os.path.realpath("data"))
        self.assertEqual(notes["graft.held_out"], "0.2")
        self.assertEqual(notes["graft.seed"], "5")
        self.assertEqual(json.loads(notes["graft.classes"]), ["blue", "green", "red"])
        trained = sorted(content(row["path"]) for row in table("runs/data-1/pictures.csv") if row["set"].startswith("train"))
        self.assertEqual(len(trained), 24)
        self.assertEqual(notes["graft.trained_on"], "".join(trained))

    def test_notes_of_what_is_held_out(self):
        write_classes("other", count=3, first=50)
        for arguments, note in ((("--val", "other"), os.path.realpath("other")), (("--val", "0"), "0"), (("--val=0.3",), "0.3")):
            self.train("data", *NONE, "--epochs", "1", "--out", "run", "--force", *arguments)
            self.assertEqual(metadata("run/model.safetensors")["graft.held_out"], note)
        write_classes("own/train", count=4)
        write_classes("own/val", count=2, first=20)
        self.train("own", *NONE, "--epochs", "1", "--out", "run", "--force")
        self.assertEqual(metadata("run/model.safetensors")["graft.held_out"], "own")
        self.assertEqual(json.loads(read("run/args.json"))["val"], "own")

    def test_it_learns(self):
        """Colours are told apart even by a random network."""
        result = lines(self.train("data", *NONE, "--json").stdout)[-1]
        self.assertGreaterEqual(result["held_out"]["accuracy"], 5 / 6)

    def test_more_than_the_head(self):
        """Every picture of a probe, then some layers of the body, from weights that a run has saved."""
        self.train("data", *NONE, "--epochs", "1", "--out", "first")
        done = self.train("data", "--weights", "first/model.safetensors", "--trainable", "_conv_head,head", "--epochs", "2",
                          "--augment", "flip", "--lr", ".001", "--body-lr", ".0001", "--json", "--out", "second")
        events = lines(done.stdout)
        self.assertEqual({e["phase"] for e in events if e["event"] == "epoch"}, {"probe", "train"})
        plans = {e["phase"]: e for e in events if e["event"] == "plan"}
        self.assertGreater(plans["train"]["trained"], plans["probe"]["trained"])
        self.assertTrue(events[-1]["chosen"])
        self.assertIn("the best on these very pictures", done.stderr)
        self.assertIn("_conv_head", done.stderr)
        args = json.loads(read("second/args.json"))
        self.assertEqual((args["trainable"], args["start"], args["epochs"]), ("_conv_head,head", "probe", 2))

    def test_scaled_decoding_is_said_and_kept(self):
        """A JPEG of 300 x 300 for a network that sees 64: decoded at a half; predict sees it so too."""
        from PIL import Image
        for name in os.listdir("data"):
            for i in range(4):
                with Image.open("data/%s/%02d.ppm" % (name, i)) as image:
                    image.resize((300, 300), Image.NEAREST).save("data/%s/big%d.jpg" % (name, i), quality=90)
        seen = {}
        for way in ("exact", "scaled"):
            self.train("data", *NONE, "--size", "64", "--epochs", "1", "--decode", way, "--out", way)
            with open(way + "/args.json", encoding="utf-8") as stream:
                self.assertEqual(json.load(stream)["decode"], way)
            self.assertEqual(json.loads(metadata(way + "/model.safetensors")["graft.transform"])["decode"], way)
            self.assertEqual("decoded scaled" in graft("inspect", way).stdout, way == "scaled")
            found = {row["path"]: row["probability"] for row in table(way + "/pictures.csv")}
            seen[way] = graft("predict", way, "data/red/big0.jpg").stdout.split("\t")
            self.assertAlmostEqual(float(seen[way][2]), float(found["data/red/big0.jpg"]), places=3)
        self.assertNotEqual(content("exact/model.safetensors"), content("scaled/model.safetensors"))

    def test_folds(self):
        done = self.train("data", *NONE, "--epochs", "2", "--folds", "3", "--json")
        folds = [e for e in lines(done.stdout) if e["event"] == "fold"]
        self.assertEqual([(e["fold"], e["folds"]) for e in folds], [(1, 3), (2, 3), (3, 3)])
        mean = sum(e["held_out_accuracy"] for e in folds) / 3
        self.assertIn(f"mean accuracy {100 * mean:.1f} %", done.stderr)
        self.assertEqual([row["phase"] for row in table("runs/data-1/history.csv")], ["fold"] * 3 + ["train"] * 2)
        self.assertEqual({e["word"] for e in folds}, {None})

    def test_folds_that_end_early(self):
        done = graft("train", "data", *NONE, "--epochs", "9", "--folds", "3", "--json", "--lr", "1000", "--weight-decay", "1",
                     "--schedule", "constant", "--batch", "12")
        folds = [e for e in lines(done.stdout) if e["event"] == "fold"]
        self.assertEqual(len(folds), 3, done.stderr)
        for fold in folds:
            self.assertIn("is not a finite number behind step ", fold["word"])
            self.assertEqual((fold["held_out_loss"], fold["held_out_accuracy"]), (None, None))
            self.assertIn(f"fold        {fold['fold']}/3  ended early: {fold['word']}", unwrapped(done.stderr))
        self.assertNotIn("nan", done.stderr)
        self.assertNotIn("mean accuracy", done.stderr)

    def test_a_probe_that_ends_early(self):
        """Of pictures of 8 x 8 the features are so small that the rate which suits them is far too large for the decay."""
        done = self.train("data", *NONE, "--trainable", "_conv_head", "--size", "8", "--epochs", "2", "--json")
        events = lines(done.stdout)
        words = [e for e in events if e["event"] == "word"]
        self.assertEqual([e["phase"] for e in words], ["probe"])
        self.assertIn(f"probe       ended early: {words[0]['word']}; training starts without it", unwrapped(done.stderr))
        self.assertEqual([e["epoch"] for e in events if e["event"] == "epoch" and e["phase"] == "train"], [1, 2])
        self.assertFalse(events[-1]["diverged"])

    def test_a_class_of_one_picture_is_named(self):
        write_picture("data/red/00.ppm", (0, 0, 0), 1)
        os.mkdir("data/single")
        write_picture("data/single/only.ppm", (9, 9, 9), 2)
        self.assertIn("single has one picture", self.train("data", *NONE, "--epochs", "1").stderr)

    def test_same_seed_same_bytes(self):
        digests = set()
        for run, workers in (("a", 1), ("b", 2), ("c", 4), ("d", 2)):
            self.train("data", *NONE, "--epochs", "4", "--seed", "7", "--threads", "2", "--workers", workers, "--out", run)
            digests.add(hashlib.sha256(read(f"{run}/model.safetensors")).hexdigest())
        self.assertEqual(len(digests), 1)
        self.train("data", *NONE, "--epochs", "4", "--seed", "8", "--threads", "2", "--out", "e")
        self.assertNotIn(hashlib.sha256(read("e/model.safetensors")).hexdigest(), digests)


class Screen(TrainTest):
    def test_plain_lines(self):
        with open("data/notes.txt", "w", encoding="utf-8") as stream:
            stream.write("no picture")
        with open("data/blue/notes.txt", "w", encoding="utf-8") as stream:
            stream.write("no picture")
        with open("data/blue/early.png", "wb") as stream:
            stream.write(b"\x89PNG\r\n\x1a\n")
        os.symlink("../blue", "data/blue/loop")
        write_picture("data/loose.ppm", (1, 2, 3), "loose")
        done = self.train("data", *NONE, "--epochs", "30")
        self.assertLessEqual(max(len(line) for line in done.stderr.splitlines() if not line.startswith("next")), 80)
        self.assertNotIn("\r", done.stderr)
        self.assertNotIn("\033", done.stderr)
        said = {}
        for line in unwrapped(done.stderr).splitlines():
            said.setdefault(line[:12].strip(), []).append(line[12:])
        self.assertEqual(said["pictures"], ["30 in 3 classes: 24 to train, 6 held out (a fixed 20 % of each class)"])
        self.assertIn("early.png: ", said["skipped"][0])
        self.assertEqual(said["ignored"], ["4 entries that are no picture by name, or in no class: blue/loop, ..."])
        self.assertEqual(said["network"], ["efficientnet_lite0, random weights"])
        self.assertRegex(said["training"][0], r"^_fc, 3\.8 k of 3\.4 M parameters; 3\.4 M frozen, run once a picture$")
        self.assertRegex(said["memory"][0], r"^\d+ MB planned: weights .* MB, features .* on disk, workspace \d+ MB$")
        self.assertRegex(said["cache"][0], r"^.*graft/features has \d+ kB; 0 of 54 views are there already$")
        self.assertRegex(said["features"][0], r"^54 views, \S+ a second, \d:\d\d$")
        self.assertLessEqual(len(said["epoch"]), 12)
        self.assertTrue(said["epoch"][0].startswith("1/30  loss "))
        self.assertRegex(said["epoch"][-1], r"^30/30  loss \d\.\d+  held out: loss \d\.\d+, accuracy \d+\.\d %$")
        self.assertRegex(said["accuracy"][0],
                         r'^\d+\.\d % of 6 held-out pictures \(95 % interval [\d.]+ to [\d.]+\); always "blue" would be 33\.3 %$')
        self.assertRegex(said["took"][0], r"^\d:\d\d, \d+ MB at the peak$")
        self.assertEqual(said["next"], [f"{BINARY} predict runs/data-1 PICTURE..."])

    def test_help_has_what_json_has(self):
        """Every key of every event stands in the help."""
        text = graft("help", "train").stdout
        done = self.train("data", *NONE, "--epochs", "1", "--folds", "2", "--json")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual({event["event"] for event in events}, {"data", "plan", "fold", "epoch", "result"})
        for event in events:
            part, = re.findall(rf"(?ms)^  {event['event']} .*?(?=^  \S|^What)", text)
            for key in event.keys() - {"event"}:
                self.assertRegex(part, rf"\b{key}\b")
        self.assertIn("PGM", text)

    def test_crops_are_said(self):
        done = self.train("data", *NONE, "--epochs", "1", "--augment", "crop")
        self.assertIn("run every epoch, because views are random", unwrapped(done.stderr))

    def test_nothing_held_out(self):
        done = self.train("data", *NONE, "--epochs", "1", "--val", "0")
        self.assertIn("30 to train, nothing held out", done.stderr)
        self.assertIn("not known: nothing was held out", done.stderr)
        self.assertNotIn("%", done.stderr)
        self.assertEqual(table("runs/data-1/history.csv")[0]["held_out_accuracy"], "")

    def test_quiet(self):
        done = self.train("data", *NONE, "--epochs", "2", "--quiet")
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        self.assertEqual(sorted(os.listdir("runs/data-1")), FILES)

    def test_json_lines(self):
        with open("data/blue/early.png", "wb") as stream:
            stream.write(b"\x89PNG\r\n\x1a\n")
        with open(b"data/blue/\xff.jpg", "wb") as stream:
            stream.write(b"no picture")
        done = self.train("data", *NONE, "--epochs", "2", "--json", "--quiet")
        events = lines(done.stdout)
        self.assertEqual([e["event"] for e in events], ["data", "plan", "epoch", "epoch", "result"])
        data, plan, epoch, _, result = events
        self.assertEqual((data["classes"], data["train"], data["held_out"]), (["blue", "green", "red"], 24, 6))
        self.assertEqual(sorted(s["name"] for s in data["skipped"]), ["blue/early.png", "blue/\ufffd.jpg"])
        self.assertEqual(plan["planned"], plan["weights"] + plan["workspace"] + plan["features"] + plan["products"])
        self.assertEqual((plan["cache"], plan["features"], plan["views"], plan["found"]), ("disk", 0, 54, 0))
        self.assertEqual((epoch["phase"], epoch["epoch"], epoch["epochs"]), ("train", 1, 2))
        self.assertEqual((result["run"], result["epochs"], result["stopped"], result["diverged"]), ("runs/data-1", 2, False, False))
        self.assertEqual(result["held_out"]["count"], 6)
        self.assertLessEqual(result["held_out"]["low"], result["held_out"]["accuracy"])
        self.assertLessEqual(result["held_out"]["accuracy"], result["held_out"]["high"])

    def test_the_documented_keys_are_the_real_ones(self):
        text = graft("help", "train").stdout
        for event in lines(self.train("data", *NONE, "--epochs", "1", "--folds", "2", "--json").stdout):
            self.assertIn(f"  {event['event']} ", text)
            for key in [*event, *(event.get("held_out") if isinstance(event.get("held_out"), dict) else {})]:
                self.assertRegex(text, rf'\b{key}\b', event)

    def test_a_reader_that_leaves(self):
        """The training goes on; that somebody heard nothing is said in the end."""
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([BINARY, "train", "data", *NONE, "--epochs", "2", "--json"], env=environment(), stdout=writer,
                              stderr=subprocess.PIPE, text=True, check=False)
        os.close(writer)
        self.assertEqual(done.returncode, 1)
        self.assertIn("did not arrive", done.stderr)
        self.assertEqual(sorted(os.listdir("runs/data-1")), FILES)

    def on_terminal(self, **changes):
        """What a terminal gets to see."""
        leader, follower = pty.openpty()
        process = subprocess.Popen([BINARY, "train", "data", *NONE, "--epochs", "3"], env=environment(**changes),
                                   stdin=follower, stdout=follower, stderr=follower)
        os.close(follower)
        seen = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
        os.close(leader)
        self.assertEqual(process.wait(), 0)
        return seen.decode().replace("\r\n", "\n")

    def test_a_terminal(self):
        seen = self.on_terminal(TERM="xterm")
        self.assertIn("\033[1mpictures\033[0m", seen)
        self.assertIn("\r\033[1mepoch\033[0m       1/3", seen)
        self.assertRegex(seen, r"\[=+>\] 54/54 views")

    def test_no_colour(self):
        seen = self.on_terminal(TERM="xterm", NO_COLOR="1")
        self.assertNotIn("\033", seen)
        self.assertIn("\repoch       1/3", seen)

    def test_a_dumb_terminal(self):
        for changes in ({"TERM": "dumb"}, {}):
            seen = self.on_terminal(**changes)
            self.assertNotIn("\033", seen)
            self.assertNotIn("\r", seen)
            self.assertIn("epoch       1/3", seen)
            shutil.rmtree("runs")


class Folder(TrainTest):
    def test_numbers_go_up(self):
        os.makedirs("runs/data-2")
        for expected in ("data-1", "data-3"):
            self.train("data/", *NONE, "--epochs", "1", "--quiet")
            self.assertIn(expected, os.listdir("runs"))

    def test_the_name_of_the_folder_in_hand(self):
        os.chdir("data")
        self.train(".", *NONE, "--epochs", "1", "--quiet", "--out", "../here")
        os.chdir("..")
        os.mkdir("elsewhere")
        os.chdir("elsewhere")
        self.train("../data/.", *NONE, "--epochs", "1", "--quiet")
        self.assertEqual(os.listdir("runs"), ["data-1"])

    def test_two_at_once_do_not_share(self):
        running = [subprocess.Popen([BINARY, "train", "data", *NONE, "--epochs", "1", "--quiet"], env=environment())
                   for _ in range(3)]
        self.assertEqual([process.wait() for process in running], [0, 0, 0])
        self.assertEqual(sorted(os.listdir("runs")), ["data-1", "data-2", "data-3"])

    def test_one_writes_in_a_folder(self):
        """The second is told at once, forced or not, and takes nothing away; the claim ends with its process."""
        first = subprocess.Popen([BINARY, "train", "data", *NONE, "--epochs", "100000", "--quiet", "--json", "--out", "a/run"],
                                 env=environment(), stdout=subprocess.PIPE)
        self.addCleanup(first.stdout.close)
        first.stdout.readline()  # pictures
        first.stdout.readline()  # the plan: the folder is made
        for how in ((), ("--force",)):
            self.refuses(1, "a/run is being written by another graft", "train", "data", *NONE, "--quiet", "--out", "a/run", *how)
        self.assertEqual(os.listdir("a/run"), [])
        first.kill()
        first.wait()
        self.train("data", *NONE, "--epochs", "1", "--out", "a/run")

    def test_nothing_is_overwritten_unless_told(self):
        self.train("data", *NONE, "--epochs", "1", "--out", "run")
        with open("run/mine.txt", "w", encoding="utf-8") as stream:
            stream.write("mine")
        before = {name: read(f"run/{name}") for name in os.listdir("run")}
        self.refuses(1, ("run holds a run already", "--force"), "train", "data", *NONE, "--epochs", "1", "--out", "run")
        self.assertEqual({name: read(f"run/{name}") for name in os.listdir("run")}, before)
        self.train("data", *NONE, "--epochs", "2", "--out", "run", "--force")
        self.assertEqual(sorted(os.listdir("run")), sorted([*FILES, "mine.txt"]))
        self.assertEqual(read("run/mine.txt"), b"mine")
        self.assertEqual(len(table("run/history.csv")), 2)

    def test_what_out_may_be(self):
        os.mkdir("empty")
        self.train("data", *NONE, "--epochs", "1", "--out", "empty")
        self.train("data", *NONE, "--epochs", "1", "--out", "a/b/c")
        self.assertEqual(sorted(os.listdir("a/b/c")), FILES)
        done = self.train("data", *NONE, "--epochs", "1", "--out", "it's mine/")
        self.assertIn("predict 'it'\\''s mine' PICTURE...", done.stderr)
        self.refuses(1, "other files", "train", "data", *NONE, "--out", "data")
        self.refuses(1, "is a file", "train", "data", *NONE, "--out", "data/red/00.ppm")
        self.refuses(1, "data/red/00.ppm/x", "train", "data", *NONE, "--out", "data/red/00.ppm/x")
        self.refuses(1, "/proc", "train", "data", *NONE, "--out", "/proc/graft")

    def test_a_failure_leaves_nothing(self):
        self.refuses(1, "nowhere", "train", "nowhere", *NONE)
        self.refuses(1, "no node or module", "train", "data", *NONE, "--trainable", "layer7")
        self.refuses(1, "File name too long", "train", "data", *NONE, "--out", f"pa//pb/{300 * 'x'}/y")
        self.assertEqual(sorted(os.listdir(".")), ["data"])
        os.mkdir("mine")
        self.refuses(1, "random ones", "train", "data", *NONE, "--gram", "on", "--augment", "crop", "--out", "mine/pa/./pb//pc/")
        self.assertEqual(os.listdir("mine"), ["pa"])  # a path with dots is not traced back
        os.rmdir("mine/pa")
        self.refuses(1, "random ones", "train", "data", *NONE, "--gram", "on", "--augment", "crop", "--out", "mine/pa//pb/pc/")
        self.assertEqual(os.listdir("mine"), [])

    def test_a_run_that_is_not_ours(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        os.chmod(".", 0o755)
        done = graft("train", "data", *NONE, "--epochs", "1", user=65534, group=65534, env=environment(HOME="/nonexistent"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("Permission denied", done.stderr)
        self.assertEqual(os.listdir("."), ["data"])


class Trouble(TrainTest):
    def limit(self, size):
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    def test_a_disk_that_fills(self):
        """The model does not fit: a sentence, and nothing half there."""
        done = self.refuses(1, "model.safetensors", "train", "data", *NONE, "--epochs", "1", "--out", "run",
                            preexec_fn=self.limit(1000000))
        self.assertRegex(done.stderr, "cannot be written|too large")
        self.assertEqual(os.listdir("."), ["data"])

    def test_a_disk_that_is_too_small(self):
        """It is said before the training, not behind it."""
        disk = self.small_disk("5m")
        done = self.refuses(1, "disk/run: the model takes 13 MB, and 5.2 MB are free there", "train", "data", *NONE, "--out", "disk/run")
        self.assertNotIn("training", done.stderr)
        self.assertEqual(os.listdir(disk), [])

    def test_a_disk_that_fills_keeps_the_run_before(self):
        self.train("data", *NONE, "--epochs", "1", "--out", "run")
        before = read("run/model.safetensors")
        self.refuses(1, "model.safetensors", "train", "data", *NONE, "--epochs", "2", "--out", "run", "--force",
                     preexec_fn=self.limit(1000000))
        self.assertEqual(read("run/model.safetensors"), before)
        self.assertFalse([name for name in os.listdir("run") if name not in FILES])

    def test_no_published_weights(self):
        done = self.refuses(1, ("efficientnet-lite0-57934424.pth", "57934424", "weights", "published", "make weights"),
                            "train", "data", env=environment(XDG_CACHE_HOME=os.path.join(self.folder, "cache")))
        self.assertNotIn("epoch", done.stderr)
        self.assertEqual(os.listdir("."), ["data"])

    def test_weights_of_something_else(self):
        with open("page.pth", "w", encoding="utf-8") as stream:
            stream.write("<html><body>Not found</body></html>")
        self.refuses(1, "page.pth", "train", "data", "--weights", "page.pth")
        self.refuses(1, "absent.pth", "train", "data", "--weights", "absent.pth")
        self.refuses(1, "did you mean efficientnet_lite0?", "train", "data", "--model", "efficientnet_lit0")

    def test_bad_data(self):
        os.makedirs("one/only")
        write_picture("one/only/a.ppm", (1, 2, 3), 1)
        os.mkdir("empty")
        for folder in ("one", "empty", "nowhere", "data/red/00.ppm"):
            self.refuses(1, folder, "train", folder, *NONE)

    def test_a_picture_that_goes_away(self):
        """With random crops every epoch reads the pictures again."""
        process = subprocess.Popen([BINARY, "train", "data", *NONE, "--epochs", "10000", "--augment", "crop", "--json"],
                                   env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in process.stdout:
            if json.loads(line)["event"] == "epoch":
                break
        shutil.rmtree("data/red")
        _, said = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1)
        self.assertRegex(said, r"graft: data/red/\d\d\.ppm: No such file")

    def test_divergence(self):
        """A decay of 1000 times the weights makes them 999 times as large in every step."""
        how = ("--lr", "1000", "--weight-decay", "1", "--schedule", "constant", "--epochs", "20", "--json")
        done = graft("train", "data", *NONE, *how, "--batch", "12")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"graft: .* is not a finite number behind step \d+ .*; what was good before is kept")
        result = lines(done.stdout)[-1]
        self.assertEqual((result["event"], result["diverged"]), ("result", True))
        self.assertGreater(result["best_epoch"], 0)
        self.assertEqual(sorted(os.listdir("runs/data-1")), FILES)
        self.refuses_all_of_it(*how)

    def refuses_all_of_it(self, *how):
        """In the first epoch there is nothing good to keep."""
        shutil.rmtree("runs")
        done = graft("train", "data", *NONE, *how, "--batch", "1")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"graft: .* is not a finite number behind step \d+ \([^)]*\)\n$")
        self.assertEqual(os.listdir("."), ["data"])


class Interrupt(TrainTest):
    def start(self, *arguments):
        process = subprocess.Popen([BINARY, "train", "data", *NONE, "--json", *arguments], env=environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def wait_for(self, process, event):
        for line in process.stdout:
            if json.loads(line)["event"] == event:
                return
        self.fail(process.communicate()[1])

    def test_a_clean_end(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("--epochs", "100000", "--out", "run", "--force")
            self.wait_for(process, "epoch")
            process.send_signal(number)
            out, said = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, said)
            result = json.loads(out.splitlines()[-1])  # the first ones may be cut: `wait_for` reads ahead
            self.assertEqual((result["event"], result["stopped"]), ("result", True))
            self.assertRegex(said, r"stopped     after epoch \d+ of 100000\n")
            self.assertIn("held-out pictures", said)
            self.assertEqual(sorted(os.listdir("run")), FILES)
            self.assertEqual(len(table("run/history.csv")), result["epochs"])

    def test_before_anything_was_learnt(self):
        process = self.start("--epochs", "3")
        self.wait_for(process, "plan")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
        if process.returncode == 0:
            self.skipTest("the training was faster than the signal")
        self.assertEqual(process.returncode, 1)
        self.assertIn("graft: stopped before there was anything to keep", said)
        self.assertEqual(os.listdir("."), ["data"])

    def test_the_run_can_be_used(self):
        process = self.start("--epochs", "100000", "--out", "run")
        self.wait_for(process, "epoch")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        done = self.train("data", "--weights", "run/model.safetensors", "--epochs", "1", "--out", "again")
        self.assertIn("weights model.safetensors", done.stderr)


if __name__ == "__main__":
    unittest.main()
