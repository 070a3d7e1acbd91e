"""graft's recipes in PyTorch: how pictures become input, the head on kept features, all layers, the figures.

The module of EfficientNet-Lite0 is package efficientnet-lite-pytorch's, from PYTHONPATH: see
scripts/get-reference.sh."""
import copy
import math
import os

import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image, ImageOps
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

WEIGHTS = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                       "graft/weights/efficientnet-lite0-57934424.pth")


# ---- Pictures


def as_pillow(path):
    return Image.open(path).convert("RGB")


def as_seen(path):
    """What a viewer shows, of 8-bit pictures: upright, alpha laid on white."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=image.getchannel("A"))
    return white


SIGHTS = {"as-pillow": as_pillow, "as-seen": as_seen}


def scale(image):
    """An image to (3, H, W), (v - 127) / 128."""
    return (transforms.functional.pil_to_tensor(image).float() - 127) / 128


CENTRE = [transforms.Resize(256), transforms.CenterCrop(224)]
MIRROR = [transforms.RandomHorizontalFlip()]
PLAIN = transforms.Compose(CENTRE + [scale])
FLIP = transforms.Compose(CENTRE + MIRROR + [scale])
CROP = transforms.Compose([transforms.RandomResizedCrop(224, scale=(.5, 1))] + MIRROR + [scale])


def pictures(folder, transform=PLAIN, sight="as-pillow"):
    """Class folders; classes sorted bytewise."""
    return ImageFolder(folder, transform, loader=SIGHTS[sight])


# ---- The network


def network(classes=None, weights=WEIGHTS):
    """EfficientNet-Lite0 as published, or with a new last layer of zeros; in evaluation mode."""
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(weights, map_location="cpu"))
    if classes is not None:
        model._fc = zero_head(model._fc.in_features, classes)
    return model.eval()


def zero_head(width, classes):
    head = nn.Linear(width, classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def backbone(model, images):
    """(N, 3, 224, 224) to what the last layer gets, (N, 1280), without dropout."""
    return model._avg_pooling(model.extract_features(images)).flatten(1)


@torch.no_grad()
def keep_features(model, data, mirror=True, workers=2):
    """(N, views, 1280) and labels (N): the backbone, once for each picture and for its mirror image."""
    rows, labels = [], []
    for images, label in DataLoader(data, batch_size=32, num_workers=workers):
        views = [images, images.flip(3)] if mirror else [images]
        rows.append(torch.stack([backbone(model, view) for view in views], dim=1))
        labels.append(label)
    return torch.cat(rows), torch.cat(labels)


@torch.no_grad()
def all_logits(model, data, workers=2):
    model.eval()
    batches = [(model(images), label) for images, label in DataLoader(data, batch_size=32, num_workers=workers)]
    return torch.cat([logits for logits, _ in batches]), torch.cat([label for _, label in batches])


# ---- Figures


def accuracy(logits, labels):
    return (logits.argmax(1) == labels).double().mean().item()


def log_loss(logits, labels):
    return F.cross_entropy(logits.double(), labels).item()


# ---- Training


def cosine(warmup, steps):
    """The factor on the learning rate at a step: a linear rise, then half a cosine."""
    rising = round(warmup * steps)

    def factor(step):
        if step < rising:
            return (step + 1) / rising
        return .5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))
    return factor


def sgd(parameters, rate, decay):
    """SGD with momentum .9 and decay on weights only: biases and batch norm are left alone."""
    parameters = list(parameters)
    return torch.optim.SGD([{"params": [p for p in parameters if p.dim() > 1], "weight_decay": decay},
                            {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0}],
                           lr=rate, momentum=.9)


def fit_head(features, labels, classes, seed, epochs=50, batch=32):
    """A linear probe on kept features (N, views, D); each epoch draws one of the views of every picture."""
    torch.manual_seed(seed)
    count, views, width = features.shape
    head = zero_head(width, classes)
    optimizer = sgd(head.parameters(), 20 / features.pow(2).sum(2).mean().item(), min(.01, 2.5 / count))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, cosine(0, epochs * math.ceil(count / batch)))
    for _ in range(epochs):
        drawn = features[torch.arange(count), torch.randint(views, (count,))]
        for rows in torch.randperm(count).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(head(drawn[rows]), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    return head


def train_with_still_batch_norm(model):
    """Dropout and drop connect are active; batch norm uses its running statistics and leaves them alone."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def fit_all(model, train, val, seed, epochs=8, batch=32, workers=2):
    """All layers from the head that `model` has; (accuracy, log-loss) of `val` after each epoch. What `model` holds
    in the end is the best of them: by accuracy, ties by loss."""
    torch.manual_seed(seed)
    loader = DataLoader(train, batch_size=batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    optimizer = sgd(model.parameters(), .003, 1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, cosine(.1, epochs * len(loader)))
    history, best = [], None
    for _ in range(epochs):
        train_with_still_batch_norm(model)
        for images, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1)
            optimizer.step()
            schedule.step()
        logits, labels = all_logits(model, val, workers)
        history.append((accuracy(logits, labels), log_loss(logits, labels)))
        if best is None or (-history[-1][0], history[-1][1]) < best:
            best, state = (-history[-1][0], history[-1][1]), copy.deepcopy(model.state_dict())
    model.load_state_dict(state)
    return history
