"""Kept features: the same bytes wherever they are, and never a wrong one."""
import csv
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
import unittest

from command import BINARY, CommandTest, environment, graft, unwrapped, write_classes, write_picture

NONE = ("--weights", "none")


def read(path):
    with open(path, "rb") as stream:
        return stream.read()


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


class CacheTest(CommandTest):
    def setUp(self):
        super().setUp()
        write_classes("data", count=5)
        self.features = os.path.join(self.cache, "graft", "features")

    def train(self, *arguments, out="run", status=0, **options):
        """(the plan of the last phase, the model's bytes, stderr)"""
        done = graft("train", "data", *NONE, "--epochs", "2", "--out", out, "--force", "--json", *arguments, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        plan = [event for event in lines(done.stdout) if event["event"] == "plan"][-1]
        return plan, read(f"{out}/model.safetensors"), unwrapped(done.stderr)

    def files(self):
        return sorted(os.listdir(self.features)) if os.path.isdir(self.features) else []

    def rows_file(self):
        name, = [name for name in self.files() if name.startswith("efficientnet")]
        return os.path.join(self.features, name)


class Same(CacheTest):
    def test_bytes(self):
        """None, memory, disk and disk again; with mirror images, and with plain views."""
        for how in ((), ("--augment", "none"), ("--lr", ".05", "--workers", "0"), ("--folds", "2")):
            shutil.rmtree(self.cache, ignore_errors=True)
            found = {}
            for cache in ("none", "memory", "disk", "auto"):
                plan, found[cache], _ = self.train("--cache", cache, *how)
                self.assertEqual(plan["cache"], {"auto": "disk"}.get(cache, cache))
                self.assertEqual(plan["found"], plan["views"] if cache == "auto" else 0 if "--folds" not in how else plan["found"])
                self.assertEqual(plan["views"] == 0, cache == "none")
                self.assertEqual(json.loads(read("run/args.json"))["cache"], plan["cache"])
            self.assertEqual(len(set(found.values())), 1, how)

    def test_bytes_of_more_than_a_head(self):
        """What crosses a boundary in the middle of the network is kept too."""
        found = set()
        for cache in ("none", "memory", "disk", "disk"):
            plan, model, _ = self.train("--cache", cache, "--trainable", "_conv_head", "--augment", "flip")
            found.add(model)
        self.assertEqual(len(found), 1)
        self.assertEqual((plan["cache"], plan["found"]), ("disk", plan["views"]))
        self.assertEqual(len(self.files()), 3)

    def test_crops_run_every_epoch(self):
        found = set()
        for cache in ("none", "memory", "disk", "disk"):
            plan, model, said = self.train("--cache", cache, "--augment", "crop")
            found.add(model)
            self.assertIn("run every epoch, because views are random", said)
        self.assertEqual(len(found), 1)

    def test_drawn_views(self):
        """K random views of each picture are kept: the same wherever they are, and with another picture beside."""
        how = ("--augment", "crop(0.35,1) flip rotate(15)", "--views", "3")
        found = set()
        for cache in ("none", "memory", "disk", "disk"):
            plan, model, said = self.train("--cache", cache, *how)
            found.add(model)
            self.assertEqual(plan["views"], 0 if cache == "none" else 3 * 12 + 3)
            self.assertEqual(json.loads(read("run/args.json"))["views"], 3)
        self.assertEqual(len(found), 1)
        self.assertEqual(plan["found"], plan["views"])
        self.assertIn("frozen, run once for each of 3 random views of a picture", said)
        self.assertNotIn("every epoch", said)
        self.assertNotIn(self.train("--augment", how[1])[1], found)  # those are drawn anew
        self.assertEqual(json.loads(read("run/args.json"))["views"], None)
        write_picture("data/red/more.ppm", (200, 40, 50), "more")
        plan, _, _ = self.train(*how)
        self.assertGreater(plan["found"], 30)
        self.assertEqual(self.train(*how, "--views", "5")[0]["found"], plan["views"])
        self.assertLess(self.train(*how[:1], "crop", *how[2:])[0]["found"], 5)  # of the plain views alone
        self.assertEqual(self.train(*how, "--trainable", "_conv_head", "--start", "zero")[0]["found"], 0)
        self.assertEqual(self.train(*how, "--trainable", "_conv_head", "--start", "zero")[0]["found"], plan["views"])

    def test_views_that_make_no_sense(self):
        self.refuses(2, "--views 0 is not possible", "train", "data", "--augment", "crop", "--views", "0")
        for augment in ((), ("--augment", "flip"), ("--augment", "none")):
            self.refuses(2, "--views is for a random --augment", "train", "data", *augment, "--views", "4")

    def test_what_is_new_is_computed(self):
        self.train("--val", ".4")
        write_picture("data/red/more.ppm", (200, 40, 50), "more")
        plan, added, said = self.train()  # of a picture that was held out the mirror image is new
        self.assertRegex(said, rf"(?m)^features    {plan['views'] - plan['found']} views, (?!0\.0)[\d.]+ a second, 0:0\d$")
        self.assertGreater(plan["found"], plan["views"] // 2)
        self.assertLess(plan["found"], plan["views"])
        self.assertEqual(self.train("--cache", "memory")[1], added)
        plan, _, said = self.train("--head", "linear(8) relu linear")
        self.assertEqual(plan["found"], plan["views"])
        self.assertNotIn("features    ", re.sub(r"(?m)^memory.*$", "", said))

    def test_renamed_pictures_are_known(self):
        self.train("--val", "0")
        os.rename("data", "other")
        os.mkdir("data")
        for i, name in enumerate(sorted(os.listdir("other"))):
            shutil.move(os.path.join("other", name), f"data/class{i}")
        plan, _, _ = self.train("--val", "0")
        self.assertEqual(plan["found"], plan["views"])

    def test_other_threads_are_another_file(self):
        self.train("--threads", "1")
        plan, _, _ = self.train("--threads", "2")
        self.assertEqual(plan["found"], 0)
        self.assertEqual(len(self.files()), 3)

    def test_a_damaged_picture_stays_damaged(self):
        with open("data/red/bad.png", "wb") as stream:
            stream.write(b"\x89PNG\r\n\x1a\n")
        for _ in range(2):
            self.train()
            with open("run/pictures.csv", encoding="utf-8", newline="") as stream:
                skipped = [row for row in csv.DictReader(stream) if row["set"] == "skipped"]
            self.assertEqual(len(skipped), 1)
            self.assertTrue(skipped[0]["path"].endswith("bad.png"))


class Damage(CacheTest):
    def edit(self, edit):
        path = self.rows_file()
        data = edit(bytearray(read(path)))
        with open(path, "wb") as stream:
            stream.write(data)

    def test_flipped_and_cut_off(self):
        _, good, _ = self.train()

        def flip(data):
            for place in range(20000, len(data), 9973):
                data[place] ^= 0x80
            return data
        for edit in (flip, lambda data: data[:len(data) // 2], lambda data: data[:100], lambda data: b"rubbish",
                     lambda data: data + bytes(10000)):
            self.edit(edit)
            plan, model, _ = self.train()
            self.assertEqual((plan["cache"], model), ("disk", good))
            plan, model, _ = self.train()
            self.assertEqual((plan["found"], model), (plan["views"], good))

    def test_another_version(self):
        _, good, _ = self.train()
        self.edit(lambda data: data.replace(b"libpng 1.", b"libpng 0."))
        plan, model, said = self.train()
        self.assertEqual((plan["found"], model), (0, good))
        self.assertIn("of another version, and is computed anew", said)
        plan, model, said = self.train()
        self.assertEqual(plan["found"], plan["views"])
        self.assertNotIn("another version", said)

    def test_killed_while_it_writes(self):
        _, good, _ = self.train("--cache", "memory")
        for wait in (.15, .25, .3, .35, .4, .5):
            process = subprocess.Popen([BINARY, "train", "data", *NONE, "--out", "killed", "--force", "--quiet"], env=environment())
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.assertEqual(self.train()[1], good)
        self.assertEqual(self.train()[1], good)

    def test_two_at_once(self):
        _, good, _ = self.train("--cache", "memory")
        command = [BINARY, "train", "data", *NONE, "--epochs", "2", "--quiet", "--out"]
        both = [subprocess.Popen([*command, out], env=environment()) for out in ("one", "two")]
        self.assertEqual([process.wait() for process in both], [0, 0])
        for out in ("one", "two"):
            self.assertEqual(read(f"{out}/model.safetensors"), good)
        plan, model, _ = self.train()
        self.assertEqual(model, good)
        self.assertGreater(plan["found"], 0)


class Command(CacheTest):
    def test_what_is_there(self):
        done = graft("cache")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"{self.features[-40:]}: 0 bytes in 0 files", unwrapped(done.stdout))
        self.assertFalse(os.path.exists(self.cache))  # looking makes nothing
        self.train("--threads", "1")
        done = graft("cache")
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)
        self.assertRegex(done.stdout, r"\n {12}pictures as-seen, ")
        self.assertRegex(done.stdout, r"(?s)in 2 files\n.*27 views, used just now\n.*network efficientnet_lite0, size 224")
        self.assertRegex(done.stdout, "15 pictures, used just now")
        found, = lines(graft("cache", "--json").stdout)
        self.assertEqual(found["folder"], self.features)
        self.assertEqual(sorted(os.path.basename(file["path"]) for file in found["files"]), self.files())
        self.assertEqual(sorted((file["rows"], file["row"]) for file in found["files"]), [(15, 0), (27, 4 * 1280)])
        self.assertEqual(found["bytes"], sum(file["bytes"] for file in found["files"]))
        self.assertTrue(any(line.startswith("computed on ") and "1 threads" in line for file in found["files"] for line in file["key"]))

    def test_clear(self):
        self.train()
        left = self.rows_file() + ".123-0"
        strangers = ["mine.txt", "mine.features", "notes.features.txt", "x-0123456789abcdef.features.txt",
                     "x-0123456789ABCDEF.features", "-0123456789abcdef.features", os.path.basename(left) + "x"]
        for path in [left, *(os.path.join(self.features, name) for name in strangers)]:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("x")
        folders = ["my.features.d", "x-0123456789abcdef.features"]
        for name in folders:
            os.mkdir(os.path.join(self.features, name))
        done = graft("cache", "clear")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^cleared +\d+ kB\n$")
        self.assertEqual(self.files(), sorted([*strangers, *folders]))
        self.assertEqual(graft("cache", "clear").stdout.split(), ["cleared", "0", "bytes"])
        self.assertEqual(self.train()[0]["found"], 0)

    def test_clear_what_can_be(self):
        """Somebody else's file in a shared folder stays and is named; one's own are gone."""
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        self.train()
        for path in (os.path.dirname(self.cache), self.cache):
            os.chmod(path, 0o755)
        os.chmod(self.features, 0o1777)
        os.chown(self.rows_file(), 65534, 65534)
        theirs, = [name for name in self.files() if name.startswith("pictures")]
        done = self.refuses(1, theirs, "cache", "clear", user=65534, group=65534)
        self.assertRegex(done.stderr, r"cannot be taken away: Operation not permitted; other files are gone, 0\.\d MB of them\n$")
        self.assertEqual(self.files(), [theirs])

    def test_a_file_that_is_no_cache(self):
        os.makedirs(self.features)
        with open(os.path.join(self.features, "x-0123456789abcdef.features"), "w", encoding="utf-8") as stream:
            stream.write("not ours")
        self.assertIn("in 0 files", graft("cache").stdout)

    def test_what_makes_no_sense(self):
        self.refuses(2, "knows `clear`", "cache", "clean")
        self.refuses(1, "neither XDG_CACHE_HOME nor HOME", "cache", env=environment(XDG_CACHE_HOME=None, HOME=None))


class NoRoom(CacheTest):
    def test_a_full_disk(self):
        """The rows of an early boundary do not fit where the model does: what is left is kept in memory."""
        how = ("--trainable", "_blocks.2,_blocks.3,head", "--augment", "flip", "--start", "zero", "--epochs", "1", "--batch", "4")
        size = 15 << 20
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        write_classes("data", count=11)
        _, good, _ = self.train("--cache", "memory", *how)
        for cache in ("disk", "auto"):
            shutil.rmtree(self.cache, ignore_errors=True)
            plan, model, said = self.train("--cache", cache, *how, preexec_fn=limit)
            self.assertEqual((plan["cache"], model), ("disk", good))
            self.assertIn("cannot be written any more: File too large; what is new is kept in memory", said)
            self.assertLessEqual(os.path.getsize(self.rows_file()), size)
        plan, model, _ = self.train(*how)
        self.assertEqual(model, good)
        self.assertTrue(0 < plan["found"] < plan["views"])

    def test_a_small_disk(self):
        """A disk that is really full, and one of which more than half would go."""
        how = ("--trainable", "_blocks.2,_blocks.3,head", "--augment", "flip", "--start", "zero", "--epochs", "1", "--batch", "4")
        write_classes("data", count=11)
        _, good, _ = self.train("--cache", "memory", *how)
        disk = self.small_disk("12m")
        on_it = environment(XDG_CACHE_HOME=disk)
        plan, model, said = self.train("--cache", "auto", *how, env=on_it)
        self.assertEqual((plan["cache"], model), ("memory", good))
        self.assertIn("would take more than half of what is free there; features are kept in memory", said)
        plan, model, said = self.train("--cache", "disk", *how, env=on_it)
        self.assertEqual((plan["cache"], model), ("disk", good))
        self.assertIn("cannot be written any more: No space left on device; what is new is kept in memory", said)
        plan, model, said = self.train("--cache", "auto", *how, env=on_it)  # what is there is read all the same
        self.assertEqual((plan["cache"], model), ("disk", good))
        self.assertTrue(0 < plan["found"] < plan["views"])
        self.assertIn("more than half of what is free there; what is new is kept in memory", said)

    def test_more_than_memory_has(self):
        """A thousand views of what the first layer says of each picture: 100 GB and more."""
        write_classes("data", count=24)
        how = ("--freeze", "_conv_stem", "--augment", "crop", "--views", "1000", "--start", "zero", "--epochs", "1", "--batch", "4")
        with open("/proc/meminfo", encoding="utf-8") as stream:
            free = 1024 * int(re.search(r"MemAvailable: +(\d+)", stream.read())[1])
        if free > 150e9:
            self.skipTest("this machine has the memory")
        plan, model, said = self.train("--cache-size", "1K", *how)
        self.assertEqual((plan["cache"], plan["views"]), ("none", 0))
        self.assertRegex(said, r"; in memory [\d.]+ MB would be more than half of what is free; "
                         "features are computed in every epoch")
        self.assertEqual(self.train("--cache", "none", *how)[1], model)

    def test_the_bound(self):
        _, good, _ = self.train("--cache", "memory")
        plan, model, said = self.train("--cache-size", "100K")
        self.assertEqual((plan["cache"], model), ("memory", good))
        self.assertIn("are allowed; features are kept in memory", said)
        plan, _, _ = self.train("--cache-size", "1M")
        self.assertEqual(plan["cache"], "disk")
        first = self.rows_file()
        plan, _, _ = self.train("--cache-size", "250K", "--seed", "1")  # other random weights: the older file makes room
        self.assertEqual(plan["cache"], "disk")
        self.assertNotEqual(self.rows_file(), first)

    def test_a_bound_that_the_file_itself_passes(self):
        """What is there is read, what is new is not written, and nobody else's file goes for nothing."""
        self.train("--seed", "1")
        others = self.files()
        full, good, _ = self.train("--val", "0", "--augment", "none")
        files = self.files()
        rows, = [os.path.join(self.features, name) for name in files if name not in others]
        plan, model, said = self.train("--val", "0", "--augment", "none", "--cache-size", "30K")
        self.assertEqual((plan["cache"], plan["found"], model), ("disk", full["views"], good))
        self.assertNotIn("are allowed", said)
        size = os.path.getsize(rows)
        _, good, _ = self.train("--cache", "memory")
        plan, model, said = self.train("--cache-size", "30K")
        self.assertEqual((plan["cache"], plan["found"], model), ("disk", 15, good))
        self.assertIn("are allowed; what is new is kept in memory\n", said)
        self.assertEqual((self.files(), os.path.getsize(rows)), (files, size))

    def test_a_folder_that_cannot_be_written(self):
        """A word, then memory. Root writes everywhere, so somebody else has to try."""
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        _, good, _ = self.train("--cache", "memory")
        os.makedirs(self.features)
        os.makedirs("out")
        os.chown("out", 65534, 65534)
        for path in (os.path.dirname(self.cache), self.cache):
            os.chmod(path, 0o755)
        for cache in ("auto", "disk"):
            plan, model, said = self.train("--cache", cache, out="out/run", user=65534, group=65534)
            self.assertEqual((plan["cache"], model), ("memory", good))
            self.assertRegex(said, r"cache +/.*: cannot be written: Permission denied; features are kept in memory")

    def test_nowhere_to_keep_it(self):
        plan, _, said = self.train(env=environment(XDG_CACHE_HOME=None, HOME=None))
        self.assertEqual(plan["cache"], "memory")
        self.assertIn("neither XDG_CACHE_HOME nor HOME", said)

    def test_words_that_make_no_sense(self):
        for size in ("x", "-1", "1X", "1GB", "nan", "1e99"):
            self.refuses(2, f"--cache-size {size} is not possible", "train", "data", "--cache-size", size)
        self.refuses(2, "--cache keeps nothing there", "train", "data", "--cache-size", "1G", "--cache", "memory")
        self.refuses(2, "one of auto|memory|disk|none", "train", "data", "--cache", "ram")


if __name__ == "__main__":
    unittest.main()
