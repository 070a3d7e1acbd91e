"""PyTorch's side of the figures. A run is {"accuracy": ..., "log_loss": ...}."""
import os

import numpy as np
import torch

import machine
import recipe


def judge(logits, labels):
    return {"accuracy": recipe.accuracy(logits, labels), "log_loss": recipe.log_loss(logits, labels)}


class Torch:
    name = "torch"

    def __init__(self, given):
        self.about = machine.of_torch(given.threads)

    def published(self, folder):
        """The logits of all pictures below a folder of class folders: {relative path: (1000)}."""
        data = recipe.pictures(folder)
        logits, _ = recipe.all_logits(recipe.network(), data)
        return {os.path.relpath(path, folder): row for (path, _), row in zip(data.samples, logits.numpy())}

    def head(self, folder, seeds):
        model, train = recipe.network(), recipe.pictures(os.path.join(folder, "train"))
        features, labels = recipe.keep_features(model, train)
        val, val_labels = recipe.keep_features(model, recipe.pictures(os.path.join(folder, "val")), mirror=False)
        return [judge(recipe.fit_head(features, labels, len(train.classes), seed)(val[:, 0]), val_labels)
                for seed in seeds]

    def stamps(self, folder, partitions):
        """A run is a partition, {relative path: fold}: together its heads judge every picture once."""
        data = recipe.pictures(folder, sight="as-seen")
        features, labels = recipe.keep_features(recipe.network(), data)
        runs = []
        for seed, partition in enumerate(partitions):
            fold = np.array([partition[os.path.relpath(path, folder)] for path, _ in data.samples])
            logits = torch.zeros(len(labels), len(data.classes))
            for k in np.unique(fold):
                head = recipe.fit_head(features[fold != k], labels[fold != k], len(data.classes), seed)
                logits[fold == k] = head(features[fold == k, 0]).detach()
            runs.append(judge(logits, labels))
        return runs

    def all(self, folder, seeds):
        train, val = (recipe.pictures(os.path.join(folder, part)) for part in ("train", "val"))
        crops = recipe.pictures(os.path.join(folder, "train"), recipe.CROP)
        features, labels = recipe.keep_features(recipe.network(), train)
        runs = []
        for seed in seeds:
            model = recipe.network()
            model._fc = recipe.fit_head(features, labels, len(train.classes), seed)
            history = recipe.fit_all(model, crops, val, seed)
            runs.append({**judge(*recipe.all_logits(model, val)), "epochs": history})
        return runs
