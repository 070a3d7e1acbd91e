"""chapter.py DATA WEIGHTS WAY THREADS: the chapter "Transfer Learning using PyTorch", VGG16 frozen but for a new classifier,
10 epochs in batches of 32. WAY:

    written   as the chapter has it: the backbone runs every epoch, autograd above it only
    tuned     the backbone traced and frozen, channels last where that is faster, two loader workers
    kept      the same, and the backbone run once for each picture, its features kept by hand
"""
import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision import datasets, models, transforms

EPOCHS, BATCH = 10, 32


def fastest(model):
    """Of the ways to run what is frozen, by one batch each."""
    x = torch.randn(BATCH, 3, 224, 224)
    best = None
    for form in (torch.contiguous_format, torch.channels_last):
        run = torch.jit.freeze(torch.jit.trace(model.to(memory_format=form), x.to(memory_format=form)))
        for _ in range(2):
            run(x.to(memory_format=form))
        began = time.perf_counter()
        run(x.to(memory_format=form))
        seconds = time.perf_counter() - began
        if best is None or seconds < best[0]:
            best = seconds, form, run
    return lambda x: best[2](x.to(memory_format=best[1]))


def main():
    data, weights, way, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                                    transforms.Normalize([.485, .456, .406], [.229, .224, .225])])
    dataset = datasets.ImageFolder(data, transform)
    loader = DataLoader(dataset, BATCH, shuffle=True, num_workers=0 if way == "written" else 2)

    vgg16 = models.vgg16(init_weights=False)
    vgg16.load_state_dict(torch.load(weights))
    for parameter in vgg16.parameters():
        parameter.requires_grad = False
    vgg16.classifier = nn.Sequential(nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout(.5),
                                     nn.Linear(4096, len(dataset.classes)))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(vgg16.classifier.parameters(), lr=.001, momentum=.9)

    backbone = nn.Sequential(vgg16.features, vgg16.avgpool, nn.Flatten()).eval()
    run = backbone
    with torch.no_grad():
        if way != "written":
            run = fastest(backbone)
        if way == "kept":
            pairs = [(run(images), labels) for images, labels in loader]
            kept = TensorDataset(torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs]))
            loader = DataLoader(kept, BATCH, shuffle=True)

    for epoch in range(EPOCHS):
        running_loss = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            if way != "kept":
                with torch.set_grad_enabled(way == "written"):
                    inputs = run(inputs)
            loss = criterion(vgg16.classifier(inputs), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        print("epoch %d: %.3f" % (epoch + 1, running_loss))


if __name__ == "__main__":
    main()
