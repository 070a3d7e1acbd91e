"""Models to try the command on: small runs, and a published file's look-alike."""
import os

import command

# Seven classes, of which nobody can tell "pink" and "rose" apart.
SEVEN = {"blue": (40, 60, 200), "green": (50, 180, 60), "pink": (230, 120, 160), "red": (210, 50, 40),
         "rose": (230, 120, 160), "white": (220, 220, 220), "yellow": (230, 210, 60)}


def write_seven(folder, count=5, first=0):
    for name, colour in SEVEN.items():
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for i in range(first, first + count):
            command.write_picture(os.path.join(folder, name, f"{i:02}.ppm"), colour, f"{name}{i}", 24)
    return folder


def train(data, out, *options):
    """A run on random weights; raises where train fails."""
    done = command.graft("train", data, "--weights", "none", "--augment", "none", "--quiet", "--out", out, *options)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return out


def write_published(path):
    """EfficientNet-Lite0 as its own package makes it, with random weights, saved by PyTorch; the model comes back."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet
    torch.manual_seed(1)
    model = EfficientNet.from_name("efficientnet-lite0")
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    torch.save(model.state_dict(), path)
    return model.eval()
