"""Running the command, and small pictures to run it on."""
import atexit
import os
import random
import re
import shutil
import subprocess
import tempfile
import unittest

BINARY = os.environ["GRAFT_BINARY"]
SOURCE = os.environ.get("GRAFT_TEST_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
# Nobody's cache is used, nor filled; each test of CommandTest has one of its own.
os.environ["XDG_CACHE_HOME"] = CACHE = tempfile.mkdtemp(prefix="graft-test-cache-")
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)
COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (210, 50, 40), "yellow": (230, 210, 60)}


def environment(**changes):
    """A terminal's settings must not decide what a test sees. Threads that wait do not spin: tests run side by side."""
    result = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    result.update({"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive", **changes})
    return {name: value for name, value in result.items() if value is not None}


def graft(*arguments, **options):
    """The finished command, its streams as text."""
    options.setdefault("env", environment())
    options.setdefault("timeout", 300)
    return subprocess.run([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="replace", check=False, **options)


def unwrapped(text):
    """What `graft` says to people, a line a label."""
    return re.sub(r"\n {12}", " ", text)


def write_picture(path, colour, seed, size=40):
    """A PPM of a colour with some noise."""
    draw = random.Random(seed)
    pixels = bytes(min(255, max(0, value + draw.randrange(-30, 31))) for _ in range(size * size) for value in colour)
    with open(path, "wb") as stream:
        stream.write(b"P6 %d %d 255\n" % (size, size) + pixels)


def write_classes(folder, names=("blue", "green", "red"), count=10, first=0):
    """folder/NAME/NN.ppm, told apart by their colour."""
    for name in names:
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for i in range(first, first + count):
            write_picture(os.path.join(folder, name, f"{i:02}.ppm"), COLOURS[name], f"{name}{i}")
    return folder


class CommandTest(unittest.TestCase):
    """Each test has an empty folder and begins in it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="graft-test-")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        os.environ["XDG_CACHE_HOME"] = self.cache = os.path.join(CACHE, self.id())
        self.addCleanup(os.environ.update, XDG_CACHE_HOME=CACHE)

    def small_disk(self, size):
        """A new folder `disk` with a file system of so many bytes: only root may have one."""
        os.mkdir("disk")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", "disk"], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            self.skipTest("a small file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "--lazy", os.path.join(self.folder, "disk")], check=True)
        return os.path.join(self.folder, "disk")

    def refuses(self, status, sentence, *arguments, **options):
        """One sentence on stderr with these words in it, nothing on stdout, this exit status."""
        done = graft(*arguments, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        said = [line for line in done.stderr.splitlines() if line.startswith("graft: ")]
        self.assertEqual(len(said), 1, done.stderr)
        for part in [sentence] if isinstance(sentence, str) else sentence:
            self.assertIn(part, said[0])
        return done
