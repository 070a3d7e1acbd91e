"""Folds that are the same for every side."""
import os
import random


def stratified_partition(folder, folds, seed):
    """{relative path: fold}: each class, shuffled, is dealt out, going on where the class before it ended."""
    partition, generator = {}, random.Random(seed)
    for label in sorted(os.listdir(folder)):
        names = sorted(os.listdir(os.path.join(folder, label)))
        generator.shuffle(names)
        for name in names:
            partition[os.path.join(label, name)] = len(partition) % folds
    return partition
