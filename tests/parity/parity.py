"""parity.py NETWORK...: whole networks, with weights that PyTorch makes from a seed, against PyTorch.

A line a network, and a reason for each thing that does not hold. Compared are: parameters and multiply-adds that `graft
inspect` says; logits that `graft predict` says of three pictures, whose distance from PyTorch's in f64 may be three times
that of PyTorch's own in f32 (or 1e-5); the state dict that graft saves; and, by the program gradients, one pass over a
batch of four in three regimes: everything trains, the last block does, the first and the last layer do with the middle
frozen; batch norm still and training. Gradients may be four times as far from f64 as PyTorch's own in f32, the median and
the largest of all parameters; so may what three steps of SGD move, and they move nothing that is frozen. (The rate is one
at which they neither blow up nor vanish: that would compare nothing.) Nearer is out of reach: a ReLU that flips puts 1e-2 where 3e-6 is
usual, in graft or in PyTorch. So a few batches are tried: a flip is of one of them, arithmetic that is wrong is so in all.

Figures are distances divided by the largest of what is compared, and for gradients median and largest of their ratios to
PyTorch's own distance, with the number of batches where it is not one. GRAFT_BINARY and GRAFT_PARITY_GRADIENTS name the
two programs."""
import collections
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.ops import StochasticDepth

import seeded

GRAFT = os.environ["GRAFT_BINARY"]
GRADIENTS = os.environ["GRAFT_PARITY_GRADIENTS"]
BATCH, BATCHES, STEPS, MOMENTUM = 4, 6, 3, 0.9
APART = 0.1  # of logits of pictures, that a test of them can fail


class Family:
    """`small`: pixels that gradients are taken at; first layer with its norm, last layer, last block, and the weight of
    auxiliary losses."""

    def __init__(self, names, small, first, last, block, auxiliary=0.0):
        self.names = names.split()
        self.small, self.ends, self.block, self.auxiliary = small, first + "," + last, block, auxiliary


FAMILIES = [
    Family("alexnet", 96, "features.0", "classifier.6", "features.10,classifier"),
    Family("convnext_tiny convnext_small convnext_base convnext_large", 64, "features.0", "classifier.2",
           "features.7,classifier"),
    Family("densenet121 densenet161 densenet169 densenet201", 64, "features.conv0,features.norm0", "classifier",
           "features.denseblock4,features.norm5,classifier"),
    Family("efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 "
           "efficientnet_b6 efficientnet_b7 efficientnet_v2_m efficientnet_v2_l", 64, "features.0", "classifier.1",
           "features.7,features.8,classifier"),
    Family("efficientnet_lite0", 64, "_conv_stem,_bn0", "_fc", "_blocks.15,_conv_head,_bn1,_fc"),
    Family("efficientnet_lite1 efficientnet_lite2", 64, "_conv_stem,_bn0", "_fc", "_blocks.20,_conv_head,_bn1,_fc"),
    Family("efficientnet_lite3", 64, "_conv_stem,_bn0", "_fc", "_blocks.23,_conv_head,_bn1,_fc"),
    Family("efficientnet_lite4", 64, "_conv_stem,_bn0", "_fc", "_blocks.29,_conv_head,_bn1,_fc"),
    Family("efficientnet_v2_s", 64, "features.0", "classifier.1", "features.6,features.7,classifier"),
    Family("googlenet", 64, "conv1", "fc", "inception5b,fc", 0.3),
    Family("inception_v3", 299, "Conv2d_1a_3x3", "fc", "Mixed_7c,fc", 0.4),
    Family("mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3", 64, "layers.0,layers.1", "classifier.1",
           "layers.13,layers.14,layers.15,classifier"),
    Family("mobilenet_v2", 64, "features.0", "classifier.1", "features.17,features.18,classifier"),
    Family("mobilenet_v3_large", 64, "features.0", "classifier.3", "features.15,features.16,classifier"),
    Family("mobilenet_v3_small", 64, "features.0", "classifier.3", "features.11,features.12,classifier"),
    Family("regnet_x_400mf regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_x_8gf regnet_x_16gf regnet_x_32gf "
           "regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_y_8gf regnet_y_16gf regnet_y_32gf", 64,
           "stem", "fc", "trunk_output.block4,fc"),
    Family("resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d resnext101_64x4d "
           "wide_resnet50_2 wide_resnet101_2", 64, "conv1,bn1", "fc", "layer4,fc"),
    Family("shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0", 64, "conv1", "fc",
           "stage4.3,conv5,fc"),
    Family("squeezenet1_0", 64, "features.0", "classifier.1", "features.12,classifier"),
    Family("squeezenet1_1", 64, "features.0", "classifier.1", "features.12,classifier"),
    Family("vgg11", 64, "features.0", "classifier.6", "features.18,classifier"),
    Family("vgg11_bn", 64, "features.0,features.1", "classifier.6", "features.25,features.26,classifier"),
    Family("vgg13", 64, "features.0", "classifier.6", "features.22,classifier"),
    Family("vgg13_bn", 64, "features.0,features.1", "classifier.6", "features.31,features.32,classifier"),
    Family("vgg16", 64, "features.0", "classifier.6", "features.28,classifier"),
    Family("vgg16_bn", 64, "features.0,features.1", "classifier.6", "features.40,features.41,classifier"),
    Family("vgg19", 64, "features.0", "classifier.6", "features.34,classifier"),
    Family("vgg19_bn", 64, "features.0,features.1", "classifier.6", "features.49,features.50,classifier"),
]


# ---- Programs and files ----

def run(*command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(" ".join(map(str, command)) + ": " + done.stderr.strip())
    return done.stdout


# ---- One network ----

class Network:
    def __init__(self, name, folder):
        self.name = name
        self.family = next(f for f in FAMILIES if name in f.names)
        self.transform = seeded.transform_of(name)
        self.folder = folder
        self.file = self.path("weights.pth")
        self.wrong = []
        self.model, self.macs = seeded.make(name, self.transform)
        self.images = [Image.fromarray(seeded.picture(seed, 400, 360)) for seed in (7, 8, 9)]
        self.x = torch.stack([self.transform(image) for image in self.images])
        self.separate()
        self.has_norm = any(isinstance(m, nn.BatchNorm2d) for m in self.model.modules())
        torch.save(self.model.state_dict(), self.file)
        self.start = {key: value.clone() for key, value in self.model.state_dict().items()}

    def path(self, name):
        return os.path.join(self.folder, name)

    def expect(self, holds, what):
        if not holds:
            self.wrong.append(what)

    def versioned(self, tensors):
        """A state dict; without its modules' versions MNASNet refuses any."""
        state = collections.OrderedDict(tensors)
        state._metadata = self.model.state_dict()._metadata
        return state

    def fresh(self, dtype):
        """The model as it was made, in this precision."""
        model = self.model.to(dtype)
        model.load_state_dict(self.versioned(self.start))
        return model

    @torch.no_grad()
    def separate(self):
        """What a deep network says of every picture would hide what it says of one: the last bias takes it away."""
        logits = self.model(self.x)
        if apart(logits) < APART:
            [m for m in self.model.modules() if isinstance(m, nn.Linear)][-1].bias -= logits.mean(0)

    # -- Counts --

    def check_counts(self):
        said = json.loads(run(GRAFT, "inspect", self.name, "--json"))
        parameters = sum(p.numel() for p in self.model.parameters())
        self.expect(said["parameters"] == parameters, "%d parameters, not %d" % (said["parameters"], parameters))
        self.expect(said["macs"] == self.macs, "%d multiply-adds, not %d" % (said["macs"], self.macs))
        return "%s | %.2f G" % (format(parameters, ","), self.macs / 1e9)

    # -- Logits --

    def said_logits(self, paths):
        lines = run(GRAFT, "predict", "--model", self.name, "--weights", self.file, "--emit", "logits", "--top", 0, "--json",
                    *paths).splitlines()
        rows = []
        for line in lines:
            classes = json.loads(line)["predictions"]
            rows.append([logit for _, logit in sorted((c["index"], c["logit"]) for c in classes)])
        return torch.tensor(rows, dtype=torch.float64)

    def check_logits(self):
        paths = [self.path("%d.png" % i) for i in range(len(self.images))]
        for image, path in zip(self.images, paths):
            image.save(path)
        with torch.no_grad():
            f32 = self.fresh(torch.float32).eval()(self.x).double()
            f64 = self.fresh(torch.float64).eval()(self.x.double())
        self.expect(apart(f64) >= APART, "the pictures' logits are %.3f apart: this could not fail" % apart(f64))
        mine, own = distance(self.said_logits(paths), f64), distance(f32, f64)
        self.expect(mine <= max(1e-5, 3 * own), "logits: %.1e from f64 where PyTorch's are %.1e" % (mine, own))
        return "%.1e (%.1e)" % (mine, own)

    # -- Gradients --

    def prepare(self, model, patterns, still):
        """What trains, as graft means it: parameters and, in batch norm, statistics; nothing is dropped."""
        model.train()
        for name, module in model.named_modules():
            frozen = isinstance(module, nn.BatchNorm2d) and (still or not named(name, patterns))
            if frozen or isinstance(module, (nn.Dropout, StochasticDepth)):
                module.eval()
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(named(name, patterns))
            parameter.grad = None

    def loss(self, model, x, labels):
        out = model(x)
        if torch.is_tensor(out):
            return nn.functional.cross_entropy(out, labels)
        loss = nn.functional.cross_entropy(out[0], labels)
        for auxiliary in out[1:]:
            if auxiliary.requires_grad:  # something below it trains
                loss = loss + self.family.auxiliary * nn.functional.cross_entropy(auxiliary, labels)
        return loss

    def train(self, dtype, pixels, patterns, still, rate=None):
        """(losses, first gradients, state dict after the steps, rate: if none is given, one for which a step is small)"""
        model = self.fresh(dtype)
        self.prepare(model, patterns, still)
        x = self.transform.normalise(pixels).to(dtype)
        labels = torch.tensor([7 * i + 3 for i in range(len(pixels))])
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=0.0, momentum=MOMENTUM)
        losses, gradients = [], None
        for step in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            loss = self.loss(model, x, labels)
            loss.backward()
            losses.append(loss.item())
            if step == 0:
                gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}
                rate = rate or small_rate(trained)
                optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return losses, gradients, {key: value.clone() for key, value in model.state_dict().items()}, rate

    def train_graft(self, pixels, patterns, still, rate):
        pictures, out, saved = self.path("pictures"), self.path("gradients"), self.path("model.safetensors")
        pixels.tofile(pictures)
        said = run(GRADIENTS, self.name, self.file, self.family.small, pictures, ",".join(patterns),
                   "still" if still else "train", STEPS, "%.9g" % rate, out, saved)
        return [float(line) for line in said.split()], seeded.read_safetensors(out), seeded.read_safetensors(saved)

    def check_gradients(self, regime, patterns, still):
        """One cell. A batch on which everything holds ends it; otherwise what never held is wrong."""
        what = "%s, batch norm %s" % (regime, "still" if still else "training") if self.has_norm else regime
        pending, cell = None, "-"
        for seed in range(BATCHES):
            sentences, figures = self.compare_pass(seeded.batch(BATCH, self.family.small, seed), patterns, still)
            pending = sentences if pending is None else {key: sentences[key] for key in pending if key in sentences}
            if figures and "gradients" not in sentences:
                cell = "%.1f %.1f" % (figures[0] / figures[1], figures[2] / figures[3])
            if not pending:
                return cell + (" (%d)" % (seed + 1) if seed else "")
        self.wrong += ["%s: %s: %s" % (what, key, sentence) for key, sentence in pending.items()]
        return cell

    def compare_pass(self, pixels, patterns, still):
        """({what: what is wrong with it}, figures of the gradients)"""
        losses64, f64, after64, rate = self.train(torch.float64, pixels, patterns, still)
        while not steady(losses64):
            rate = float(np.float32(rate / 10))
            losses64, f64, after64, _ = self.train(torch.float64, pixels, patterns, still, rate)
        losses32, f32, after32, _ = self.train(torch.float32, pixels, patterns, still, rate)
        losses, mine, saved = self.train_graft(pixels, patterns, still, rate)
        sentences = {}
        if not close(losses, losses64, losses32):
            sentences["losses"] = "%s, not %s" % (losses, losses64)
        if mine.keys() != f64.keys():
            return {**sentences, "gradients": "of %s" % sorted(mine.keys() ^ f64.keys())[:3]}, None
        figures = compare(mine, f32, f64, list(f64))
        sentences["gradients"] = judge(figures)
        sentences["%d steps" % STEPS] = self.judge_steps(saved, after32, after64)
        sentences["saved"] = self.judge_saved(saved, patterns)
        return {key: sentence for key, sentence in sentences.items() if sentence}, figures

    def judge_steps(self, mine, f32, f64):
        """Movements of what trained, running statistics among it."""
        different = [key for key, value in f64.items() if not value.is_floating_point() and value != mine[key]]
        if different:
            return "%s is %d" % (different[0], mine[different[0]])
        moved = [key for key, value in f64.items()
                 if value.is_floating_point() and not torch.equal(value, self.start[key].double())]
        return judge(compare(mine, f32, f64, moved, self.start))

    def judge_saved(self, saved, patterns):
        """What graft saves opens strictly, and what was frozen is to the bit what it opened."""
        self.fresh(torch.float32).load_state_dict(self.versioned(saved), strict=True)
        different = [key for key, value in self.start.items() if not named(key, patterns) and not torch.equal(saved[key], value)]
        return "otherwise: %s" % different[:3] if different else ""

    def check_regimes(self):
        cells = []
        ways = (True, False) if self.has_norm else (True,)
        for still in ways:
            cells.append(self.check_gradients("all", ["all"], still))
            cells.append(self.check_gradients("last block", self.family.block.split(","), still))
            cells.append(self.check_gradients("ends", self.family.ends.split(","), still))
        return " | ".join(cells + ["-"] * (6 - len(cells)))


def named(name, patterns):
    """A parameter's or module's name, or a state dict's key."""
    return patterns == ["all"] or any(name == p or name.startswith(p + ".") for p in patterns)


def distance(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


def small_rate(parameters):
    """.001, or less where a step would move the parameters by more than a thousandth; a number of f32."""
    weights, gradients = (sum(x.pow(2).sum().item() for x in some) ** 0.5
                          for some in (parameters, [p.grad for p in parameters]))
    return float(np.float32(0.001 * min(1.0, weights / gradients)))


def steady(losses):
    """Deep networks may blow up by a step that moves every parameter a thousandth; numbers without end compare nothing."""
    return all(np.isfinite(losses)) and max(losses) <= 2 * losses[0]


def apart(logits):
    return max(distance(one, other) for one in logits for other in logits)


def close(losses, losses64, losses32):
    own = max(abs(a - b) / b for a, b in zip(losses32, losses64))
    return all(abs(a - b) / b <= max(1e-5, 4 * own) for a, b in zip(losses, losses64))


def compare(mine, f32, f64, keys, before=None):
    """(median and PyTorch's, largest and PyTorch's) of the distances of these tensors, or of their movements. What is zero
    in truth is measured by the largest tensor."""
    norms = {key: (f64[key] - (before[key].double() if before else 0.0)).norm().item() for key in keys}
    largest = max(norms.values())
    scale = {key: norm if norm > 1e-10 * largest else largest for key, norm in norms.items()}
    distances = [[(some[key].double() - f64[key]).norm().item() / scale[key] for key in keys]
                 for some in (mine, f32)]
    return (np.median(distances[0]), max(np.median(distances[1]), 1e-12), max(distances[0]), max(max(distances[1]), 1e-12))


def judge(figures):
    median, own_median, largest, own_largest = figures
    if median <= 4 * own_median and largest <= 4 * own_largest:
        return ""
    return "%.1e in the median and %.1e at most from f64, PyTorch's %.1e and %.1e" % (median, largest, own_median, own_largest)


HEAD = ("| network | parameters | mult-adds | logits (PyTorch's) | all, still | block, still | ends, still | all, training "
        "| block, training | ends, training | seconds |")


def check(name):
    """The network's row, and what is wrong."""
    begin = time.time()
    with tempfile.TemporaryDirectory(prefix="graft-parity-") as folder:
        network = Network(name, folder)
        cells = [name, network.check_counts(), network.check_logits(), network.check_regimes()]
    return "| %s | %.0f |" % (" | ".join(cells), time.time() - begin), network.wrong


def main():
    names = sys.argv[1:] or [name for family in FAMILIES for name in family.names]
    bad = False
    print(HEAD, "|---" * HEAD.count(" | ") + "|---|", sep="\n", flush=True)
    for name in names:
        row, wrong = check(name)
        print(row, *("    %s: %s" % (name, sentence) for sentence in wrong), sep="\n", flush=True)
        bad = bad or bool(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
