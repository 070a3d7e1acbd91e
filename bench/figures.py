"""How well graft and PyTorch classify with the same recipe. The figures:

    published   EfficientNet-Lite0 unchanged, on ants and bees
    head        a new head, on ants and bees, seeds 0 to 9
    stamps      a new head, on Debian's stamps: four stratified five-fold partitions
    all         all layers, on ants and bees, seeds 0 to 2
"""
import argparse
import json
import os
import statistics

import numpy as np
from partition import stratified_partition

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help="all four where none is named")
    parser.add_argument("--side", choices=["torch", "graft"], default="torch")
    parser.add_argument("--both", action="store_true", help="both sides, one after the other")
    parser.add_argument("--hymenoptera", metavar="DIR", required=True, help="ants and bees: train/ and val/")
    parser.add_argument("--stamps", metavar="DIR", default="stamps", help="what scripts/lay-out-stamps.sh made")
    parser.add_argument("--graft", metavar="FILE", default="build/graft")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", metavar="DIR", default=os.path.join(HERE, "results"))
    given = parser.parse_args()
    given.figures = given.figures or list(FIGURES)
    if unknown := set(given.figures) - set(FIGURES):
        parser.error("no such figure: " + ", ".join(sorted(unknown)))
    return given


def open_side(name, given):
    if name == "torch":
        from side_torch import Torch
        return Torch(given)
    from side_graft import Graft
    return Graft(given)


# ---- The figures: (side, given) -> runs


def published(side, given):
    """Classes of the published head: 310 is an ant, 309 a bee. The logits are kept, to be compared."""
    logits = side.published(os.path.join(given.hymenoptera, "val"))
    names = sorted(logits)
    rows = np.array([logits[name] for name in names], np.float32)
    labels = np.array([310 if name.startswith("ants/") else 309 for name in names])
    np.save(os.path.join(given.results, "published-%s.npy" % side.name), rows)
    return [{"accuracy": float((rows.argmax(1) == labels).mean()),
             "accuracy of the two logits alone": float((309 + rows[:, 309:311].argmax(1) == labels).mean())}]


def head(side, given):
    return side.head(given.hymenoptera, range(10))


def stamps(side, given):
    return side.stamps(given.stamps, [stratified_partition(given.stamps, 5, seed) for seed in range(4)])


def all_layers(side, given):
    return side.all(given.hymenoptera, range(3))


FIGURES = {"published": published, "head": head, "stamps": stamps, "all": all_layers}


# ---- What is written and shown


def run(name, side, given):
    result = {"figure": name, "side": side.name, "about": side.about, "runs": FIGURES[name](side, given)}
    with open(os.path.join(given.results, "%s-%s.json" % (name, side.name)), "w", encoding="utf-8") as stream:
        json.dump(result, stream, indent=1)
        stream.write("\n")
    show(result)


def show(result):
    """A line a kind of number: its mean over the runs, and how much they differ."""
    for key in (key for key, value in result["runs"][0].items() if isinstance(value, float)):
        values = [run[key] for run in result["runs"]]
        spread = " +- %.4f" % statistics.stdev(values) if len(values) > 1 else ""
        print("%-10s %-6s %-33s %.4f%s   runs %d" %
              (result["figure"], result["side"], key, statistics.mean(values), spread, len(values)), flush=True)


def compare_logits(folder):
    torch, graft = (np.load(os.path.join(folder, "published-%s.npy" % side)) for side in ("torch", "graft"))
    distance = np.linalg.norm(graft - torch, axis=1) / np.linalg.norm(torch, axis=1)
    print("published  logits of a picture, relative L2: %.1e at most, %.1e in all" %
          (distance.max(), np.linalg.norm(graft - torch) / np.linalg.norm(torch)))


def main():
    given = arguments()
    os.makedirs(given.results, exist_ok=True)
    sides = [open_side(name, given) for name in (["torch", "graft"] if given.both else [given.side])]
    for side in sides:
        print(side.name, json.dumps(side.about), flush=True)
    for name in given.figures:
        for side in sides:
            run(name, side, given)
        if name == "published" and given.both:
            compare_logits(given.results)


main()
