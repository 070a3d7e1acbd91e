"""graft's side of the figures: the command, as a user runs it. A run is {"accuracy": ..., "log_loss": ...}."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import machine


HERE = os.path.dirname(os.path.abspath(__file__))


def arguments(about):
    """Of a measurement of graft alone."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hymenoptera", metavar="DIR", required=True, help="ants and bees: train/ and val/")
    parser.add_argument("--stamps", metavar="DIR", default="stamps", help="what scripts/lay-out-stamps.sh made")
    parser.add_argument("--graft", metavar="FILE", default="build/graft")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", metavar="DIR", default=os.path.join(HERE, "results"))
    return parser.parse_args()


class Graft:
    name = "graft"

    def __init__(self, given):
        self.binary, self.threads = given.graft, given.threads
        self.about = machine.of_graft(given.graft, given.threads)

    def call(self, *words, stdin=None):
        """The records that a subcommand prints."""
        command = [self.binary, *words, "--json", "--threads", str(self.threads)]
        said = subprocess.run(command, input=stdin, check=True, stdout=subprocess.PIPE, text=True).stdout
        return [json.loads(line) for line in said.splitlines()]

    def fit(self, data, *options):
        """Trains on a folder with train/ and val/; what `graft eval` says of val/."""
        with tempfile.TemporaryDirectory() as work:
            run = os.path.join(work, "run")
            self.call("train", data, "--out", run, "--quiet", *options)
            said = self.call("eval", run, "--quiet")[-1]
            return {"accuracy": said["accuracy"], "log_loss": said["log_loss"], "pictures": said["pictures"]}

    def published(self, folder):
        """The logits of all pictures below a folder of class folders: {relative path: (1000)}."""
        paths = [os.path.join(folder, label, name) for label in os.listdir(folder)
                 for name in os.listdir(os.path.join(folder, label)) if name.endswith(".jpg")]
        said = self.call("predict", "--model", "efficientnet_lite0", "--pictures", "as-pillow", "--emit", "logits",
                         "--top", "0", "-", stdin="\n".join(paths))
        return {os.path.relpath(record["path"], folder): in_order(record["predictions"]) for record in said}

    def head(self, folder, seeds):
        return [self.fit(folder, "--pictures", "as-pillow", "--seed", str(seed)) for seed in seeds]

    def stamps(self, folder, partitions):
        """A run is a partition, {relative path: fold}: together its heads judge every picture once."""
        runs = []
        for seed, partition in enumerate(partitions):
            parts = []
            for fold in sorted(set(partition.values())):
                with tempfile.TemporaryDirectory() as data:
                    lay_out(data, folder, partition, fold)
                    parts.append(self.fit(data, "--pictures", "as-seen", "--seed", str(seed)))
            runs.append(together(parts))
            if runs[-1]["pictures"] != len(partition):
                sys.exit("graft read %d of %d pictures" % (runs[-1]["pictures"], len(partition)))
        return runs

    def all(self, folder, seeds):
        return [self.fit(folder, "--pictures", "as-pillow", "--trainable", "all", "--seed", str(seed))
                for seed in seeds]


def in_order(predictions):
    return [row["logit"] for row in sorted(predictions, key=lambda row: row["index"])]


def lay_out(data, folder, partition, fold):
    """train/ and val/ of links, as a fold has them."""
    for name, its_fold in partition.items():
        link = os.path.join(data, "val" if its_fold == fold else "train", name)
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(os.path.realpath(os.path.join(folder, name)), link)


def together(parts):
    """The figures of several sets of pictures as those of one."""
    count = sum(part["pictures"] for part in parts)
    return {"pictures": count, **{key: sum(part[key] * part["pictures"] for part in parts) / count
                                  for key in ("accuracy", "log_loss")}}
