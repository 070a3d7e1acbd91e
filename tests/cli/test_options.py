"""One table of options makes the parser, the help, the manual page and the README; what makes no sense is one sentence."""
import os
import re
import subprocess
import tempfile
import unittest

from command import BINARY, SOURCE, CommandTest, environment, graft, write_classes


def commands():
    return re.findall(r"^  graft (\S+)", graft("help").stdout, re.M)


def rows(command):
    """[(name, argument or None, default, help)] of `graft help --markdown COMMAND`."""
    result = []
    for line in graft("help", "--markdown", command).stdout.splitlines()[2:]:
        cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        name, _, argument = cells[0].strip("`").partition(" ")
        result.append((name[2:], argument or None, cells[1], cells[2]))
    return result


class Tables(unittest.TestCase):
    def test_every_command_has_help(self):
        self.assertIn("train", commands())
        for command in commands():
            for arguments in (("help", command), (command, "-h"), (command, "--help")):
                done = graft(*arguments)
                self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
                self.assertTrue(done.stdout.startswith(f"usage: graft {command} "), arguments)
                self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80, done.stdout)

    def test_help_has_what_the_table_has(self):
        for command in commands():
            text = " ".join(graft("help", command).stdout.split())
            for name, argument, default, words in rows(command):
                left = f"--{name} {argument}" if argument else f"--{name}"
                right = f"{words} (default: {default})" if default else words
                self.assertIn(f" {left} {right}", text)

    def test_manual_has_what_the_table_has(self):
        page = graft("help", "--man").stdout
        self.assertTrue(page.startswith('.TH GRAFT 1 '))
        page = re.sub(r"\\f[BIR]|\\&", "", page).replace(r"\-", "-").replace(r"\e", "\\")
        for command in commands():
            section = page.partition(f".SS graft {command} ")[2].partition(".SS ")[0].partition(".SH ")[0]
            for name, argument, default, words in rows(command):
                left = f"--{name} {argument}" if argument else f"--{name}"
                tail = f"\n(default: {default})" if default else ""
                self.assertIn(f".TP\n{left}\n{words}{tail}\n", section)

    def test_readme_has_the_table(self):
        path = os.path.join(SOURCE, "README.md")
        if not os.path.exists(path):
            self.skipTest("there is no README.md")
        with open(path, encoding="utf-8") as stream:
            self.assertIn(graft("help", "--markdown", "train").stdout, stream.read())

    def test_names_of_the_contract(self):
        given = {name for name, *_ in rows("train")}
        self.assertEqual(given, set(
            "model weights head size loss label-smoothing trainable freeze epochs batch lr body-lr momentum weight-decay "
            "nesterov schedule warmup clip start augment views gram kernels precision batch-norm val pictures decode cache cache-size folds seed threads workers out force json quiet".split()))


class Words(CommandTest):
    def test_alone_and_version(self):
        for arguments in ((), ("help",), ("-h",), ("--help",)):
            done = graft(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("graft train DATA", done.stdout)
        self.assertRegex(graft("--version").stdout, r"^graft \d+\.\d+\.\d+\n$")

    def test_unknown_commands(self):
        for word, meant in (("trian", "train"), ("fit", "train"), ("hlep", "help"), ("finetune", "train")):
            self.refuses(2, f"did you mean graft {meant}?", word)
        self.refuses(2, "graft help", "zzzzzzzz")
        self.refuses(2, "did you mean train?", "help", "trian")

    def test_slips(self):
        for word, meant in (("--epoch", "epochs"), ("--bacth", "batch"), ("--weight_decay", "weight-decay"), ("-lr", "lr"),
                            ("--Seed", "seed"), ("--aug", "augment"), ("--momentun=3", "momentum"), ("--thread", "threads")):
            self.refuses(2, f"did you mean --{meant}?", "train", "DATA", word, "1")

    def test_words_of_other_systems(self):
        meant = {
            "batch": "batch-size batchsize bs train-batch-size", "weight-decay": "wd decay weight_decay",
            "lr": "learning-rate learning_rate lr0 base-lr", "epochs": "num-epochs n-epochs nepochs max-epochs",
            "out": "output-dir output_dir output project save-dir", "weights": "pretrained checkpoint ckpt",
            "model": "arch network backbone", "workers": "num-workers nw", "val": "split val-split validation-split",
            "augment": "augmentation color-jitter degrees", "trainable": "unfreeze", "freeze": "frozen freeze-layers",
            "schedule": "scheduler lr-scheduler", "folds": "kfold cv", "clip": "max-grad-norm", "force": "exist-ok", "size": "imgsz img-size", "loss": "criterion", "label-smoothing": "smoothing", "precision": "amp bf16",
        }
        for name, words in meant.items():
            for word in words.split():
                self.refuses(2, f"did you mean --{name}?", "train", "DATA", f"--{word}", "1")

    def test_what_graft_does_not_have(self):
        for word, reason in (("device", "CPU"), ("gpu", "CPU"), ("optimizer", "SGD"),
                             ("patience", "--epochs"), ("resume", "resumed"), ("data", "without an option"),
                             ("num-classes", "folders")):
            done = self.refuses(2, reason, "train", "DATA", f"--{word}", "1")
            self.assertNotIn("did you mean", done.stderr)

    def test_options_of_other_commands(self):
        self.refuses(2, "--epochs is an option of graft train", "help", "--epochs", "3")
        self.refuses(2, "--batch is an option of graft train", "help", "--batch-size", "3")

    def test_nothing_like_it(self):
        self.refuses(2, "`graft train -h` lists them", "train", "DATA", "--qqqqqqqq")
        self.refuses(2, "`graft train -h` lists them", "train", "DATA", "-z")


class Values(CommandTest):
    def test_ranges(self):
        for name, value in (("epochs", "0"), ("epochs", "2.5"), ("epochs", "many"), ("batch", "-1"), ("batch", "1e3"), ("views", "0"),
                            ("lr", "-1"), ("lr", "nan"), ("lr", "inf"), ("lr", "0.1x"), ("momentum", "1.5"), ("warmup", "2"),
                            ("folds", "1"), ("threads", "0"), ("seed", "-3"), ("seed", "99999999999999999999"), ("clip", " 1")):
            self.refuses(2, (f"--{name} {value} is not possible", "from"), "train", "DATA", f"--{name}", value)
            self.refuses(2, f"--{name} {value} is not possible", "train", "DATA", f"--{name}={value}")

    def test_words(self):
        self.refuses(2, "one of cosine|constant", "train", "DATA", "--schedule", "step")
        self.refuses(2, "one of probe|zero|pytorch", "train", "DATA", "--start", "prob")

    def test_missing_values(self):
        self.refuses(2, "--epochs needs a value: --epochs N", "train", "DATA", "--epochs")
        self.refuses(2, "--out needs a value: --out RUN", "train", "DATA", "--out", "--force")
        self.refuses(2, "empty", "train", "DATA", "--out=")
        self.refuses(2, "--force takes no value", "train", "DATA", "--force=yes")

    def test_positionals(self):
        self.refuses(2, "graft train DATA", "train")
        self.refuses(2, '"B" is one argument too many', "train", "A", "B")
        self.refuses(2, '"--epochs" is one argument too many', "train", "A", "--", "--epochs")
        # Options may stand in front, and "--" ends them: the folder is looked for under just this name.
        self.refuses(1, "--epochs", "train", "--weights", "none", "--", "--epochs")

    def test_contradictions(self):
        for words, given in (
                ("complements", ("--trainable", "all", "--freeze", "_conv_stem")),
                ("--trainable names nothing", ("--trainable", ",")),
                ("--val is not possible", ("--val", "1")),
                ("--val is not possible", ("--val=-.1",)),
                ("--val is not possible", ("--val", "nan")),
                ("--body-lr", ("--body-lr", ".1")),
                ("--body-lr", ("--body-lr", ".1", "--trainable", "head")),
                ("--batch-norm", ("--batch-norm", "train")),
                ("takes no command", ("--markdown",))):
            command = ("help",) if "--markdown" in given else ("train", "DATA")
            self.refuses(2, words, *command, *given)

    def test_the_last_one_counts(self):
        write_classes("data", count=3)
        done = graft("train", "data", "--weights", "none", "--epochs", "7", "--epochs=1", "--out", "a", "--out", "b", "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(os.listdir(".")), ["b", "data"])
        with open("b/history.csv", encoding="utf-8") as stream:
            self.assertEqual(len(stream.readlines()), 2)


    def test_what_is_known_before_pictures_are_read(self):
        for head in ((), ("--head", "mlp"), ("--head", "linear(8) relu linear")):
            self.refuses(2, "--loss nll is for a --head that ends in logsoftmax", "train", "nowhere", "--loss", "nll", *head)
        self.refuses(1, "nowhere", "train", "nowhere", "--weights", "none", "--loss", "nll", "--head", "linear logsoftmax ")

    def test_whole_bounds(self):
        self.refuses(2, "a whole number from 0 to 9007199254740992", "train", "DATA", "--seed", "-1")

    def test_without_a_run(self):
        for command, usage in (("eval", "DATA"), ("predict", "PICTURE..."), ("features", "PICTURE... -o FILE")):
            usage = f"graft {command} --model NAME {usage} "
            self.refuses(2, f"something is missing: {usage}", command, "--model", "efficientnet_lite0")
            self.assertIn(usage, graft("help", command).stdout)
            self.refuses(2, f"something is missing: graft {command} RUN ", command)


class Streams(unittest.TestCase):
    def fails(self, *arguments, cause="did not arrive", **options):
        done = subprocess.run([*arguments], env=environment(), stderr=subprocess.PIPE, text=True, check=False, **options)
        self.assertEqual(done.returncode, 1)
        self.assertIn(cause, done.stderr)

    def test_a_full_disk(self):
        with open("/dev/full", "w", encoding="utf-8") as stream:
            self.fails(BINARY, "help", stdout=stream, cause="did not arrive: No space left on device\n")

    def test_a_full_disk_in_a_long_run(self):
        """The cause is the first failure's, whatever else fails until the end."""
        with tempfile.TemporaryDirectory() as folder, open("/dev/full", "w", encoding="utf-8") as stream:
            write_classes(os.path.join(folder, "data"), count=3)
            self.fails(BINARY, "train", "data", "--weights", "none", "--epochs", "1", "--json", stdout=stream, cwd=folder,
                       cause="did not arrive: No space left on device\n")

    def test_a_reader_that_left(self):
        reader, writer = os.pipe()
        os.close(reader)
        self.fails(BINARY, "help", "--man", stdout=writer)
        os.close(writer)

    def test_a_closed_stream(self):
        self.fails("/bin/sh", "-c", 'exec "$0" help >&-', BINARY)


class Threads(unittest.TestCase):
    """libgomp says how long its threads spin."""

    def spin(self, **variables):
        result = graft("--version", env={"OMP_DISPLAY_ENV": "verbose", **variables})
        self.assertEqual(result.returncode, 0)
        return re.findall(r"GOMP_SPINCOUNT = '(\d+)'", result.stderr)

    def test_they_spin_briefly(self):
        for name in "HOME", "PATH", "PWD", "_":
            self.assertEqual(self.spin(**{name: "/x"}), ["1000"])

    def test_who_says_how_they_wait_is_heard(self):
        self.assertEqual(self.spin(HOME="/x", GOMP_SPINCOUNT="7"), ["7"])
        self.assertEqual(self.spin(HOME="/x", OMP_WAIT_POLICY="passive"), ["0"])

    def test_the_environment_is_whole_again(self):
        self.assertIn("/x/.cache/graft", graft("cache", env={"HOME": "/x"}).stdout)


if __name__ == "__main__":
    unittest.main()
