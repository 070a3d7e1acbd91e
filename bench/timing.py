"""Wall time and peak memory of whole processes, graft's beside PyTorch's: A B A B, so that what the machine does
to one it does to the other. Writes timing.json and timing.md; see README.md. Run it on an idle machine.

Nothing large is imported here: a child's peak memory begins at its parent's.
"""
import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import machine

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES) + "; all where none is named")
    parser.add_argument("--hymenoptera", metavar="DIR", required=True, help="ants and bees: train/ and val/")
    parser.add_argument("--graft", metavar="FILE", default="build/graft")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", metavar="DIR", default=os.path.join(HERE, "results"))
    given = parser.parse_args()
    if unknown := set(given.cases) - set(CASES):
        parser.error("no such case: " + ", ".join(sorted(unknown)))
    return given


# ---- One sample


def probe(threads):
    """Seconds of a fixed small work on all the threads at once: how fast the machine is just now."""
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


def measure(command, threads):
    """A whole process: wall time, processor time, and the largest resident set of it or of one process it waited for
    (what PyTorch's loader workers add beside it is not counted)."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    before = probe(threads)
    began = time.monotonic()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit("%s failed:\n%s" % (" ".join(command), said.decode(errors="replace")))
    return {"seconds": seconds, "user": usage.ru_utime, "system": usage.ru_stime, "peak": usage.ru_maxrss * 1024,
            "probe": [before, probe(threads)]}


def interleaved(sides, rounds, threads):
    """{name: samples} of {name: command}."""
    samples = {name: [] for name in sides}
    for round_number in range(rounds):
        for name, command in sides.items():
            samples[name].append(measure(command, threads))
            print("round %d  %-44s %8.2f s" % (round_number + 1, name, samples[name][-1]["seconds"]), flush=True)
    return samples


# ---- The cases


class Commands:
    def __init__(self, given, work):
        self.given, self.work = given, work
        self.run, self.model = os.path.join(work, "run"), os.path.join(work, "model.pt")

    def graft(self, *words):
        return [self.given.graft, *words, "--threads", str(self.given.threads)]

    def graft_train(self, *words):
        return self.graft("train", self.given.hymenoptera, "--out", self.run, "--force", "--quiet",
                          "--workers", "2", *words)

    def torch(self, *words):
        return [sys.executable, os.path.join(HERE, "tutorial.py"), *words, "--threads", str(self.given.threads)]

    def head(self, epochs):
        train = ["head", self.given.hymenoptera, self.model, "--epochs", str(epochs)]
        return {"graft": self.graft_train("--epochs", str(epochs)),
                "PyTorch, as tutorials write it": self.torch(*train),
                "PyTorch, features kept by hand": self.torch(*train, "--keep")}

    def all(self):
        return {"graft": self.graft_train("--trainable", "all", "--start", "zero", "--epochs", "1"),
                "PyTorch": self.torch("all", self.given.hymenoptera, self.model)}

    def warm_up(self):
        """Brings programs, weights and pictures into the page cache, and makes the networks that predict."""
        for command in self.head(1).values():
            measure(command, self.given.threads)

    def predict(self):
        folder = os.path.join(self.given.hymenoptera, "val", "ants")
        picture = os.path.join(folder, sorted(os.listdir(folder))[0])
        return {"graft": self.graft("predict", self.run, picture),
                "PyTorch": self.torch("predict", self.model, picture)}


# Name: title, commands, and how many times as many rounds as asked for.
CASES = {
    "head-5": ("a new head, 5 epochs", lambda commands: commands.head(5), 1),
    "head-50": ("a new head, 50 epochs", lambda commands: commands.head(50), 1),
    "all": ("one epoch of all layers", Commands.all, 1),
    "predict": ("one picture", Commands.predict, 4),
}


# ---- What is written


def summary(samples):
    """Of each side: median and range of its seconds, peak memory, processor time."""
    rows = {}
    for name, of_side in samples.items():
        seconds = [sample["seconds"] for sample in of_side]
        rows[name] = {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds),
                      "user": statistics.median(sample["user"] for sample in of_side),
                      "system": statistics.median(sample["system"] for sample in of_side),
                      "peak": max(sample["peak"] for sample in of_side)}
    return rows


def unsteadiness(samples):
    """How far the probe of the machine's speed was from its own median, at the worst."""
    probes = [value for of_side in samples.values() for sample in of_side for value in sample["probe"]]
    return max(probes) / statistics.median(probes) - 1


def markdown(cases):
    lines = ["| work | side | seconds (least to most) | graft is faster by | processor seconds (in the kernel) "
             "| peak memory |", "|-|-|-|-|-|-|"]
    for case in cases.values():
        for side, row in case["summary"].items():
            lines.append("| %s | %s | %.2f (%.2f to %.2f) | %.1f | %.1f (%.1f) | %.0f MB |" % (
                case["title"], side, row["median"], row["least"], row["most"],
                row["median"] / case["summary"]["graft"]["median"], row["user"] + row["system"], row["system"],
                row["peak"] / 1e6))
    return "\n".join(lines) + "\n"


def main():
    given = arguments()
    os.makedirs(given.results, exist_ok=True)
    cases = {}
    with tempfile.TemporaryDirectory() as work:
        commands = Commands(given, work)
        commands.warm_up()
        for name in given.cases or CASES:
            title, sides, factor = CASES[name]
            samples = interleaved(sides(commands), given.rounds * factor, given.threads)
            cases[name] = {"title": title, "summary": summary(samples), "samples": samples,
                           "machine unsteady by": unsteadiness(samples)}
    about = {"graft": machine.of_graft(given.graft, given.threads), "torch": machine.asked_of_torch(given.threads)}
    with open(os.path.join(given.results, "timing.json"), "w", encoding="utf-8") as stream:
        json.dump({"about": about, "cases": cases}, stream, indent=1)
        stream.write("\n")
    table = markdown(cases)
    with open(os.path.join(given.results, "timing.md"), "w", encoding="utf-8") as stream:
        stream.write(table)
    print(table)


main()
