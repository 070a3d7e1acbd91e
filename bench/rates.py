"""Which learning rate a head of several layers starts with.

    rates.py --hymenoptera DIR [--stamps DIR] [--graft FILE] [--results DIR]

graft alone: five folds of the training pictures, three seeds, graft's defaults for the rest. The rate that graft takes
where none is given is the one whose log-loss is least over all of them (results/rates.json)."""
import json
import os
import statistics
import tempfile

from side_graft import Graft, arguments

HEADS = ["mlp", "linear(1024) relu dropout(0.5) linear", "linear(256) relu linear(256) relu dropout(0.2) linear"]
RATES = [.001, .003, .01, .02, .03, .06, .1]
SEEDS, FOLDS = range(3), 5


def folds(graft, data, head, rate, seed):
    with tempfile.TemporaryDirectory() as work:
        said = graft.call("train", data, "--out", os.path.join(work, "run"), "--quiet", "--head", head, "--lr", str(rate),
                          "--folds", str(FOLDS), "--seed", str(seed))
    return [event for event in said if event["event"] == "fold"]


def main():
    given = arguments(__doc__)
    graft, cells = Graft(given), []
    for name, data in (("hymenoptera", given.hymenoptera), ("stamps", given.stamps)):
        for head in HEADS:
            for rate in RATES:
                parts = [fold for seed in SEEDS for fold in folds(graft, data, head, rate, seed)]
                cells.append({"data": name, "head": head, "rate": rate, "folds": len(parts),
                              "accuracy": statistics.mean(part["held_out_accuracy"] for part in parts),
                              "log_loss": statistics.mean(part["held_out_loss"] for part in parts)})
                print("%(data)s | %(head)s | %(rate)g | %(accuracy).4f, %(log_loss).4f" % cells[-1], flush=True)
    os.makedirs(given.results, exist_ok=True)
    with open(os.path.join(given.results, "rates.json"), "w", encoding="utf-8") as stream:
        json.dump({"about": graft.about, "cells": cells}, stream, indent=1)
        stream.write("\n")


main()
