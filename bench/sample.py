"""One sample of one side: a worker that does its work again when told to, or a whole process; and the probe of how
fast the machine is just then.

Nothing large is imported here: a child's memory begins as its parent's."""
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

LONG = 10.0  # seconds; a whole process that takes longer is measured from its first run on


def probe(threads):
    """Seconds of a fixed small work on all the threads at once."""
    def work():
        block = bytes(1 << 16)
        digest = hashlib.sha256()
        for _ in range(600):
            digest.update(block)
    began = time.monotonic()
    team = [threading.Thread(target=work) for _ in range(threads)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    return time.monotonic() - began


class Memory(threading.Thread):
    """The most that a process had resident at once: anonymous pages, and beside them pages of files that it maps."""

    def __init__(self, pid, pause):
        super().__init__(daemon=True)
        self.path, self.pause, self.over = "/proc/%d/status" % pid, pause, threading.Event()
        self.anonymous = self.mapped = 0
        self.start()

    def look(self):
        """A process that has ended has no such lines any more."""
        try:
            with open(self.path, encoding="ascii", errors="replace") as stream:
                lines = dict(line.split(":", 1) for line in stream if line.startswith(("RssAnon", "RssFile")))
            self.anonymous = max(self.anonymous, int(lines["RssAnon"].split()[0]) * 1024)
            self.mapped = max(self.mapped, int(lines["RssFile"].split()[0]) * 1024)
        except (OSError, KeyError):
            pass

    def run(self):
        self.look()
        while not self.over.wait(self.pause):
            self.look()

    def stop(self):
        self.over.set()
        self.join()
        return {"anonymous": self.anonymous, "mapped": self.mapped}


class Side:
    """What is timed: a command, the environment that it needs, and what is said of it. Its seconds are those of one of
    its `units`."""

    def __init__(self, command, peer=None, settings="", environment=None, units=1):
        self.command = [str(word) for word in command]
        self.peer, self.settings = peer, settings
        self.environment, self.units = environment or {}, units
        self.seconds, self.probes, self.memory = [], [], None

    def open(self, threads):
        self.threads = threads
        self.said = tempfile.TemporaryFile()
        self.variables = dict(os.environ, OMP_NUM_THREADS=str(threads), **self.environment)

    def fail(self):
        self.said.seek(0)
        sys.exit("%s failed:\n%s" % (" ".join(self.command), self.said.read().decode(errors="replace")[-4000:]))

    def spawn(self, **pipes):
        return subprocess.Popen(self.command, env=self.variables, stderr=self.said, **pipes)

    def take(self):
        before = probe(self.threads)
        self.seconds.append(self.once())
        self.probes += [before, probe(self.threads)]

    def summary(self):
        return {"median": statistics.median(self.seconds), "least": min(self.seconds), "most": max(self.seconds),
                "samples": len(self.seconds), "settings": self.settings, "peer": self.peer, **(self.memory or {})}


class Loop(Side):
    """A worker that prints "ready" and then, for each line that it gets, the seconds of one unit of work."""

    def open(self, threads):
        super().open(threads)
        self.child = self.spawn(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        words = self.child.stdout.readline().split(None, 1)
        if not words or words[0] != "ready":
            self.fail()
        if len(words) > 1:
            self.settings = words[1].strip()
        memory = Memory(self.child.pid, .005)
        self.once()
        self.memory = memory.stop()

    def once(self):
        self.child.stdin.write("run\n")
        self.child.stdin.flush()
        said = self.child.stdout.readline()
        if not said:
            self.fail()
        return float(said)

    def close(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()
        self.said.close()


class Whole(Side):
    """A whole process, from start to exit. What its own children need is not in its memory."""

    def open(self, threads):
        super().open(threads)
        first = self.once()
        if first * self.units > LONG:
            self.seconds.append(first)

    def once(self):
        began = time.monotonic()
        child = self.spawn(stdout=subprocess.DEVNULL)
        memory = None if self.memory else Memory(child.pid, .002)
        if child.wait() != 0:
            self.fail()
        seconds = time.monotonic() - began
        if memory:
            self.memory = memory.stop()
        return seconds / self.units

    def close(self):
        self.said.close()


def tell(number, name, side):
    print("    round %d  %-44s %10.3g s" % (number, name, side.seconds[-1]), flush=True)


def interleaved(sides, rounds, threads, most_seconds):
    """Fills in the samples of {name: Side}, A B A B; a side that has used up its seconds is passed over."""
    opened = []
    try:
        for name, side in sides.items():
            opened.append(side)
            side.open(threads)
            if side.seconds:
                tell(1, name, side)
        for number in range(rounds):
            for name, side in sides.items():
                if len(side.seconds) > number or sum(side.seconds) * side.units > most_seconds:
                    continue
                side.take()
                tell(number + 1, name, side)
    finally:
        for side in opened:
            side.close()


def unsteadiness(sides):
    """How far the probe of the machine's speed was above its own median, at the worst."""
    probes = [value for side in sides.values() for value in side.probes]
    return max(probes) / statistics.median(probes) - 1 if probes else 0.0
