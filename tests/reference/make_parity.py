"""EfficientNet-Lite0 as a whole: logits, gradients and twenty steps of training, from seeded weights that can fail the test.

parity/legacy.pth, parity/zip.pth   the same weights, as PyTorch wrote files before 1.6 and writes them now
parity/calm.pth                     weights with which no ReLU6 ever clips: gradients without chance
parity/pixels.bin                   PICTURES of (224, 224, 3) bytes; networks see (x - 127) / 128
parity/logits.bin                   (FEW, 1000), from double precision
parity/REGIME.gradients.bin         of the mean cross-entropy of the first FEW pictures, from double precision, of every
                                    parameter that trains, in the state dict's order; calm.REGIME.gradients.bin with calm
                                    weights
parity/REGIME.distances.bin         of each of them, how far PyTorch's single precision is from that (see `distance`)
parity/REGIME.losses.bin            of STEPS steps in single precision
parity/REGIME.weights.bin           the state dict behind them, without counters
parity/figures.txt                  NAME VALUE: PyTorch's single precision's own distance from double, and the head's rate
"""
import os

import numpy as np
import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet

PICTURES, FEW, BATCH, STEPS = 12, 4, 6, 20
REGIMES = {"head": (False, False), "still": (True, False), "train": (True, True)}  # all layers, statistics move


def pictures(random):
    """Light, colour, gratings and grain: pictures that a network tells apart."""
    y, x = np.mgrid[0:224, 0:224] / 224.0
    out = []
    for _ in range(PICTURES):
        angle, speed = random.uniform(0, np.pi), random.uniform(2, 40)
        wave = np.sin(2 * np.pi * speed * (x * np.cos(angle) + y * np.sin(angle)) + random.uniform(0, 6))
        colour, light = random.uniform(-60, 60, 3), random.uniform(60, 190)
        blob = np.exp(-((x - random.uniform()) ** 2 + (y - random.uniform()) ** 2) / random.uniform(0.01, 0.2))
        picture = light + wave[..., None] * colour + blob[..., None] * random.uniform(-90, 90, 3)
        out.append(picture + random.normal(0, random.uniform(1, 25), (224, 224, 3)))
    return np.clip(np.round(np.stack(out)), 0, 255).astype(np.uint8)


def as_input(pixels, dtype):
    return ((torch.tensor(pixels).to(dtype) - 127) / 128).permute(0, 3, 1, 2).contiguous()


def set_statistics(network, pixels):
    """Running statistics from one pass over eight pictures."""
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(as_input(pixels[:8], torch.float32))
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
        norm.num_batches_tracked.fill_(7)
    return network.eval()


def seeded_network(pixels, random, calm=False):
    torch.manual_seed(5)
    network = EfficientNet.from_name("efficientnet-lite0", dropout_rate=0.0, drop_connect_rate=0.0)
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            clipped = calm and not name.endswith("_bn2")
            for values, (low, high) in ((module.weight, (0.3, 0.45) if clipped else (0.1, 1)),
                                        (module.bias, (2.8, 3.2) if clipped else (0.1, 1))):
                values.data.copy_(torch.tensor(random.uniform(low, high, values.shape).astype(np.float32)))
    return set_statistics(network, pixels)


def distance(a, b, largest=0.0):
    """|a - b| / |b|, or against the largest gradient where b is mathematically zero: what a batch norm shifts is nothing
    where another one follows with only a convolution between."""
    a, b = a.double(), b.double()
    size = b.norm().item()
    return (a - b).norm().item() / (largest if size < 1e-5 * largest else size)


def prepare(network, regime):
    every, moves = REGIMES[regime]
    network.train(moves)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(every or name.startswith("_fc."))
        parameter.grad = None
    return [p for p in network.parameters() if p.requires_grad]


def gradients(network, regime, pixels, labels, dtype):
    network = clone(network).to(dtype)
    parameters = prepare(network, regime)
    F.cross_entropy(network(as_input(pixels[:FEW], dtype)), labels[:FEW]).backward()
    return [p.grad for p in parameters]


def clone(network):
    other = EfficientNet.from_name("efficientnet-lite0", dropout_rate=0.0, drop_connect_rate=0.0)
    other.load_state_dict(network.state_dict())
    return other


def train(network, regime, pixels, labels, head_rate):
    """The recipe of graft train: of a head with cosine alone, of all layers with warm-up, clipping and less decay."""
    network = clone(network)
    parameters = prepare(network, regime)
    every = REGIMES[regime][0]
    rate, decay, rising = (0.003, 1e-4, 2) if every else (head_rate, 0.01, 0)
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": decay},
              {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=0.9)
    losses = []
    for step in range(STEPS):
        factor = (step + 1) / rising if step < rising else \
            0.5 * (1 + np.cos(np.pi * (step - rising) / (STEPS - rising)))
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        batch = [(step * 5 + i) % PICTURES for i in range(BATCH)]
        optimizer.zero_grad()
        loss = F.cross_entropy(network(as_input(pixels[batch], torch.float32)), labels[batch])
        loss.backward()
        if every:
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.detach())
    return losses, network


def write(folder, name, tensors):
    with open(os.path.join(folder, name), "wb") as stream:
        for tensor in tensors:
            stream.write(tensor.detach().numpy().astype("<f4").tobytes())


def write_gradients(folder, name, network, regime, pixels, labels):
    exact = gradients(network, regime, pixels, labels, torch.float64)
    single = gradients(network, regime, pixels, labels, torch.float32)
    largest = max(e.norm().item() for e in exact)
    write(folder, name + ".gradients.bin", exact)
    write(folder, name + ".distances.bin", [torch.tensor(distance(s, e, largest)) for s, e in zip(single, exact)])


def make(folder):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # its threads wait for each other without rest, and tests have neighbours
    make_all(folder)
    torch.set_num_threads(threads)


def make_all(folder):
    random = np.random.default_rng(11)
    pixels = pictures(random)
    network = seeded_network(pixels, random)
    labels = torch.arange(PICTURES) * 61
    torch.save(network.state_dict(), os.path.join(folder, "legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save(network.state_dict(), os.path.join(folder, "zip.pth"))
    pixels.tofile(os.path.join(folder, "pixels.bin"))
    figures = {}
    with torch.no_grad():
        double = clone(network).double().eval()
        features = double._avg_pooling(double.extract_features(as_input(pixels[:FEW], torch.float64))).flatten(1)
        logits = double._fc(features)
        figures["logits"] = distance(network(as_input(pixels[:FEW], torch.float32)), logits)
        assert distance(logits[0], logits[1]) > 0.1, "the logits hardly depend on the picture"
    head_rate = 20.0 / features.pow(2).sum(1).mean().item()
    figures["head_rate"] = head_rate
    write(folder, "logits.bin", [logits])
    calm = seeded_network(pixels, random, calm=True)
    torch.save(calm.state_dict(), os.path.join(folder, "calm.pth"))
    for regime in REGIMES:
        write_gradients(folder, regime, network, regime, pixels, labels)
        write_gradients(folder, "calm." + regime, calm, regime, pixels, labels)
        losses, trained = train(network, regime, pixels, labels, head_rate)
        write(folder, regime + ".losses.bin", losses)
        write(folder, regime + ".weights.bin", [v for k, v in trained.state_dict().items() if "num_batches" not in k])
    with open(os.path.join(folder, "figures.txt"), "w", encoding="utf-8") as stream:
        stream.writelines(f"{name} {value!r}\n" for name, value in figures.items())
