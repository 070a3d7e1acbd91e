"""seeded.py FILE NETWORK: a network with weights drawn from a seed, saved as PyTorch saves a state dict. The network is
torchvision's, or EfficientNet-Lite of package efficientnet_lite_pytorch.

What published weights do for a test, these do without a network: no layer may be out of work. Gamma, beta and layer scale
are drawn from .1 to 1, beta with either sign; the running statistics are those of one training pass over eight pictures;
where there is no batch norm, weights are Kaiming's and biases are drawn. Statistics drawn at random would not do: the
logits would not depend on the picture."""
import json
import sys
import zlib

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision import models
from torchvision.transforms import functional

# Arguments with which torchvision builds a network for its published weights.
ARGUMENTS = {
    "googlenet": {"transform_input": True, "init_weights": False},
    "inception_v3": {"transform_input": True, "init_weights": False},
}


def picture(seed, width, height):
    """A photograph of nothing: light over colours at several scales, some sharp edges, some grain. (H, W, 3), 8 bits."""
    draw = np.random.default_rng(seed)
    field = np.zeros((height, width, 3))
    for scale in (2, 4, 9, 20):
        coarse = (draw.random((scale, scale, 3)) * 255).astype(np.uint8)
        field += np.asarray(Image.fromarray(coarse).resize((width, height), Image.BICUBIC)) / scale ** 0.5
    for _ in range(6):
        x, y = draw.integers(0, width), draw.integers(0, height)
        w, h = draw.integers(8, width // 2), draw.integers(8, height // 2)
        field[y:y + h, x:x + w] += draw.normal(0, 60, 3)
    field += draw.normal(0, 4, field.shape)
    field = (field - field.mean()) / field.std() * draw.uniform(30, 80) + draw.uniform(70, 180)
    return np.clip(field, 0, 255).astype(np.uint8)


def batch(count, size, seed=1):
    """(N, size, size, 3), 8 bits."""
    return np.stack([picture(1000 * seed + i, size, size) for i in range(count)])


class Published:
    """What pictures of a torchvision network go through, as the row of its published weights has it."""

    def __init__(self, name):
        self.transform = models.get_model_weights(name).DEFAULT.transforms()
        self.size = self.transform.crop_size[0]

    def __call__(self, image):
        return self.transform(image)

    def normalise(self, pixels):
        """(N, H, W, 3) bytes -> (N, 3, H, W)."""
        mean, std = torch.tensor(self.transform.mean), torch.tensor(self.transform.std)
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        return (x - mean[:, None, None]) / std[:, None, None]


class Lite:
    """The same of EfficientNet-Lite."""

    def __init__(self, name):
        self.size = lite().get_image_size(name.replace("_", "-"))

    def __call__(self, image):
        image = functional.resize(image, self.size * 256 // 224)
        return self.normalise(np.asarray(functional.center_crop(image, self.size))[None])[0]

    def normalise(self, pixels):
        return (torch.tensor(pixels).permute(0, 3, 1, 2).float() - 127) / 128


def lite():
    from efficientnet_lite_pytorch import EfficientNet  # only where such a network is asked for
    return EfficientNet


def transform_of(name):
    return Lite(name) if "lite" in name else Published(name)


@torch.no_grad()
def draw_weights(model):
    with_norm = any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            nn.init.uniform_(module.weight, 0.1, 1)
            nn.init.uniform_(module.bias, 0.1, 1).mul_(torch.randint(0, 2, module.bias.shape) * 2 - 1)
        elif isinstance(module, (nn.Conv2d, nn.Linear)) and not with_norm:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.uniform_(module.bias, -0.1, 0.1)
    for name, parameter in model.named_parameters():
        if name.endswith("layer_scale"):
            nn.init.uniform_(parameter, 0.1, 1)


def set_statistics(model, transform):
    """Running statistics of eight pictures. Multiply-adds for one picture are counted on the way."""
    macs = []
    hooks = [m.register_forward_hook(lambda m, _, y: macs.append(
        m.weight.numel() * y[0].numel() // y.shape[1] if isinstance(m, nn.Conv2d) else
        m.weight.numel() * y[0].numel() // y.shape[-1]))
        for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    usual = [m.momentum for m in norms]
    model.train(bool(norms))
    for m in norms:
        m.momentum = 1.0
    with torch.no_grad():
        logits = model(transform.normalise(batch(8, transform.size)))
        if any(isinstance(m, nn.LayerNorm) for m in model.modules()):  # what all have in common would hide the rest
            last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
            last.bias -= logits.mean(0)
    for m, momentum in zip(norms, usual):
        m.momentum = momentum
        # A channel that is silent in all of them would be multiplied by 1 / sqrt(epsilon) in another picture.
        m.running_var.clamp_(min=1e-3 * m.running_var.mean().item())
    for hook in hooks:
        hook.remove()
    return sum(macs)


def build(name):
    if "lite" in name:  # for pictures of any size, without drop-connect
        return lite().from_name(name.replace("_", "-"), image_size=None, drop_connect_rate=0.0)
    return getattr(models, name)(weights=None, **ARGUMENTS.get(name, {}))


def make(name, transform):
    """(model in evaluation, multiply-adds); the same weights on every call."""
    torch.manual_seed(zlib.crc32(name.encode()))
    model = build(name)
    draw_weights(model)
    macs = set_statistics(model, transform)
    return model.eval(), macs


def read_safetensors(path):
    """By hand: a length, a header, the bytes."""
    with open(path, "rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        data = stream.read()
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "I64": "<i8"}
    return {name: torch.from_numpy(np.frombuffer(data[slice(*about["data_offsets"])], types[about["dtype"]])
                                   .reshape(about["shape"]).copy()) for name, about in header.items()}


if __name__ == "__main__":
    file, network = sys.argv[1:]
    torch.save(make(network, transform_of(network))[0].state_dict(), file)
