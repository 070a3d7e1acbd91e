"""tutorial.py WORK ...: the PyTorch programs that graft is timed against, each a whole process.

    head DATA OUT [--epochs N] [--keep]   a new head; the backbone runs every epoch, as tutorials have it, or once
                                          for each picture and its mirror image (--keep: features kept by hand)
    all DATA OUT                          one epoch of all layers from a head of zeros
"""
import argparse
import json
import os

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

import recipe


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=["head", "all"])
    parser.add_argument("paths", nargs=2)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def parts(data, transform):
    return recipe.pictures(os.path.join(data, "train"), transform), recipe.pictures(os.path.join(data, "val"))


def train_head(model, train, val, epochs, workers):
    """The backbone runs every epoch; it is frozen and in evaluation mode, so autograd saves nothing of it."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("_fc.")
    loader = DataLoader(train, batch_size=32, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    val_loader = DataLoader(val, batch_size=32, num_workers=workers, persistent_workers=workers > 0)
    optimizer = recipe.sgd(model._fc.parameters(), .09, .01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, recipe.cosine(0, epochs * len(loader)))
    for epoch in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in val_loader)
        print("epoch %d: %.4f" % (epoch + 1, right / len(val)))


def train_kept_head(model, train, val, epochs, workers):
    features, labels = recipe.keep_features(model, train, workers=workers)
    val_features, val_labels = recipe.keep_features(model, val, mirror=False, workers=workers)
    model._fc = recipe.fit_head(features, labels, len(train.classes), 0, epochs)
    with torch.no_grad():
        print("%.4f" % recipe.accuracy(model._fc(val_features[:, 0]), val_labels))


def save(model, classes, path):
    torch.save({"classes": classes, "state_dict": model.state_dict()}, path)


def head(given):
    data, out = given.paths
    train, val = parts(data, recipe.PLAIN if given.keep else recipe.FLIP)
    model = recipe.network(len(train.classes))
    (train_kept_head if given.keep else train_head)(model, train, val, given.epochs, given.workers)
    save(model, train.classes, out)


def all_layers(given):
    data, out = given.paths
    train, val = parts(data, recipe.CROP)
    model = recipe.network(len(train.classes))
    print(json.dumps(recipe.fit_all(model, train, val, 0, epochs=1, workers=given.workers)))
    save(model, train.classes, out)


given = arguments()
torch.set_num_threads(given.threads)
{"head": head, "all": all_layers}[given.work](given)
