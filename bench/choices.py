"""Which choice for which job: what trains x how pictures are augmented, with graft's defaults for the rest.

    choices.py --hymenoptera DIR [--stamps DIR] [--graft FILE] [--results DIR]

Ants and bees: three seeds, trained on train/, judged on val/. Debian's stamps: one stratified five-fold partition,
each fold judged by the model of the other four. Where an epoch is chosen (all but the head alone), it is chosen on
the pictures that judge: those figures flatter, as they would in anybody's own run. A cell that
results/choices.json has already is not run again."""
import json
import os
import statistics
import tempfile

from side_graft import Graft, arguments, lay_out, together
from partition import stratified_partition

LAST_BLOCK = "_blocks.15,_conv_head,_bn1,_fc"
TRAINED = {"head": [], "last block": ["--trainable", LAST_BLOCK], "all": ["--trainable", "all"]}
AUGMENTED = ["none", "flip", "crop", "crop(0.35,1) flip rotate(15) jitter(0.4,0.4,0.4,0.1)"]
SEEDS, FOLDS = range(3), 5


def hymenoptera(graft, given, options):
    """A run a seed."""
    return [graft.fit(given.hymenoptera, "--seed", str(seed), *options) for seed in SEEDS]


def stamps(graft, given, options):
    """One run, of all folds together."""
    partition, parts = stratified_partition(given.stamps, FOLDS, 0), []
    for fold in range(FOLDS):
        with tempfile.TemporaryDirectory() as data:
            lay_out(data, given.stamps, partition, fold)
            parts.append(graft.fit(data, *options))
    return [together(parts)]


JOBS = {"hymenoptera": hymenoptera, "stamps": stamps}


def cells():
    return [(job, trained, augment) for job in JOBS for trained in TRAINED for augment in AUGMENTED]


def fill(path, given):
    """{"JOB | TRAINED | AUGMENTED": runs}, written after each cell."""
    graft = Graft(given)
    result = {"about": graft.about, "cells": {}}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as stream:
            result["cells"] = json.load(stream)["cells"]
    for job, trained, augment in cells():
        name = " | ".join((job, trained, augment))
        if name not in result["cells"]:
            options = TRAINED[trained] + ["--augment", augment]
            result["cells"][name] = JOBS[job](graft, given, options)
            with open(path, "w", encoding="utf-8") as stream:
                json.dump(result, stream, indent=1)
                stream.write("\n")
            print(name, figures(result["cells"][name]), flush=True)
    return result["cells"]


def figures(runs):
    """Accuracy in per cent, with what the seeds differ by, and log-loss."""
    accuracy = [100 * run["accuracy"] for run in runs]
    spread = " ± %.1f" % statistics.stdev(accuracy) if len(runs) > 1 else ""
    return "%.1f%s %%, %.3f" % (statistics.mean(accuracy), spread, statistics.mean(run["log_loss"] for run in runs))


def show(filled):
    print("\n| trained | augmented |", " | ".join(JOBS), "|\n|-|-|" + "-|" * len(JOBS))
    for trained in TRAINED:
        for augment in AUGMENTED:
            print("|", trained, "|", augment, "|",
                  " | ".join(figures(filled[" | ".join((job, trained, augment))]) for job in JOBS), "|")


def main():
    given = arguments(__doc__)
    os.makedirs(given.results, exist_ok=True)
    show(fill(os.path.join(given.results, "choices.json"), given))


main()
