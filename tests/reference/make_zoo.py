"""torchvision's networks as torchvision has them, and EfficientNet-Lite as its own package does: zoo/NAME.txt, and their
names in zoo/networks.txt. Lines:

    size PIXELS
    node NAME DIMS INPUT,... as NodePathTracer names it, in training; its output for one picture, without the batch
    tensor KEY DIMS          of the state dict, in its order; "-" of a scalar
    macs COUNT               for one picture, by hooks on Conv2d and Linear
    parameters COUNT
    published NAME URL PREFIX RESIZE CROP FILTER MEAN,... STD,... TOP1      the default first

Nothing is computed: the tensors are on PyTorch's meta device and have shapes only."""
import operator
import os
import re

import torch
from efficientnet_lite_pytorch import model as lite, utils as lite_utils
from torch import nn
from torch.fx.passes.shape_prop import ShapeProp
from torchvision import models
from torchvision.models import feature_extraction
from torchvision.models.convnext import LayerNorm2d

NETWORKS = """
alexnet
convnext_tiny convnext_small convnext_base convnext_large
densenet121 densenet161 densenet169 densenet201
efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6
efficientnet_b7 efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l
googlenet
inception_v3
mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3
mobilenet_v2 mobilenet_v3_large mobilenet_v3_small
regnet_x_400mf regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_x_8gf regnet_x_16gf regnet_x_32gf
regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_y_8gf regnet_y_16gf regnet_y_32gf
resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d resnext101_64x4d
wide_resnet50_2 wide_resnet101_2
shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0
squeezenet1_0 squeezenet1_1
efficientnet_lite0 efficientnet_lite1 efficientnet_lite2 efficientnet_lite3 efficientnet_lite4
vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn
""".split()
# As weights=DEFAULT makes them, with their auxiliary classifiers.
ARGUMENTS = {name: {"transform_input": True, "init_weights": False} for name in ("googlenet", "inception_v3")}
# What is inside a node here, which has the name of the last of them: transform_input; of ShuffleNet, a half of x.chunk,
# and the interleaved channels.
INSIDE = {name: r"(getitem|unsqueeze|mul|add)(_\d+)?" for name in ("googlenet", "inception_v3")}
INSIDE.update({name: r"stage\d\.(0\.getitem(_\d)?|\d\.(chunk|getitem_[2-5]|floordiv|view|transpose|contiguous))"
               for name in NETWORKS if name.startswith("shufflenet")})
# Into how many `a, b = ...` takes what apart: Debian's PyTorch cannot see it in Debian's Python.
PARTS = {"chunk": 2, "size": 4}


def build(name):
    """On the meta device, without a first value: VGG-19's would take seconds."""
    saved = {key: value for key, value in vars(nn.init).items() if key.endswith("_")}
    try:
        for key in saved:
            setattr(nn.init, key, lambda tensor, *_, **__: tensor)
        if "lite" in name:
            return lite.EfficientNet.from_name(name.replace("_", "-")).to("meta").train()
        return getattr(models, name)(weights=None, **ARGUMENTS.get(name, {})).to("meta").train()
    finally:
        for key, value in saved.items():
            setattr(nn.init, key, value)


def published(name):
    """The rows of its enum, the default first."""
    if "lite" in name:
        return []
    enum = models.get_model_weights(name)
    return [enum.DEFAULT] + [row for row in enum if row is not enum.DEFAULT]


def published_line(row):
    transform = row.transforms()
    top1 = row.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    assert len(transform.resize_size) == len(transform.crop_size) == 1
    return " ".join(["published", row.name, row.url, re.search(r"-([0-9a-f]{8,})\.pth$", row.url).group(1),
                     str(transform.resize_size[0]), str(transform.crop_size[0]), transform.interpolation.value,
                     ",".join("%.9g" % x for x in transform.mean), ",".join("%.9g" % x for x in transform.std),
                     "%.9g" % (top1 if top1 == top1 else 0)])


def visible(name, tracer):
    """(node, path, paths of its inputs) of what is a node here too; a node that is inside another stands for its input."""
    paths = {}
    for node, path in tracer.node_to_qualname.items():
        inputs = list(dict.fromkeys(paths[x] for x in node.all_input_nodes if x in paths))
        inside = re.fullmatch(INSIDE.get(name, "-"), path)
        if node.op in ("output", "get_attr") or node.target == "size" or inside and not inputs:
            continue  # numbers, and layer_scale, which the mul behind it holds
        if node.target is operator.mul and len(inputs) == 2:  # squeeze and excitation: the factor is the second here
            inputs.reverse()
        elif node.target is operator.mul and len(node.all_input_nodes) == 2:
            path = path[:-len(".mul")]  # the node with NAME.layer_scale
        paths[node] = "input" if node.op == "placeholder" else inputs[0] if inside else path
        if not inside:
            yield node, paths[node], inputs
        if node.target == "mean":
            paths[node] = "flatten"  # see mean()


def trace(name, model, size):
    """(path, dims, inputs) of each node, and multiply-adds."""
    macs = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, _, y: macs.append(m.weight.numel() * y.shape[2] * y.shape[3]))
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda m, _, y: macs.append(m.weight.numel() * y[0].numel() // y.shape[-1]))
    tracer = feature_extraction.NodePathTracer(leaf_modules=[LayerNorm2d, lite_utils.Conv2dStaticSamePadding],
                                                    autowrap_functions=(lite.drop_connect,))
    tracer.iter = lambda proxy: (proxy[i] for i in range(PARTS[proxy.node.target]))
    graph = tracer.trace(model)
    ShapeProp(torch.fx.GraphModule(model, graph)).propagate(torch.empty(2, 3, size, size, device="meta"))
    nodes = []
    for node, path, inputs in visible(name, tracer):
        shape = tuple(node.meta["tensor_meta"].shape[1:])
        nodes += mean(path, shape, inputs) if node.target == "mean" else [(path, shape, inputs)]
    return nodes, sum(macs)


def mean(path, shape, inputs):
    """x.mean([2, 3]) is a pool here as elsewhere, and flatten behind it."""
    return [(path, shape + (1, 1), inputs), ("flatten", shape, [path])]


def dims(shape):
    return ",".join(map(str, shape)) or "-"


def in_order(tensors):
    """Keys and tensors; layer_scale, which ConvNeXt has before its block, where it is used."""
    for key, tensor in tensors.items():
        scale = re.sub(r"block\.5\.bias$", "layer_scale", key)
        if not key.endswith("layer_scale"):
            yield key, tensor
        if scale != key:
            yield scale, tensors[scale]


def describe(name):
    rows = published(name)
    model = build(name)
    size = rows[0].transforms().crop_size[0] if rows else model.input_image_size
    nodes, macs = trace(name, model, size)
    lines = ["size %d" % size]
    lines += ["node %s %s %s" % (path, dims(shape), ",".join(inputs) or "-") for path, shape, inputs in nodes]
    lines += ["tensor %s %s" % (key, dims(tensor.shape)) for key, tensor in in_order(model.state_dict())]
    lines += ["macs %d" % macs, "parameters %d" % sum(p.numel() for p in model.parameters())]
    return lines + [published_line(row) for row in rows]


def make(folder):
    for name in NETWORKS:
        with open(os.path.join(folder, name + ".txt"), "w", encoding="utf-8") as stream:
            stream.write("\n".join(describe(name)) + "\n")
    with open(os.path.join(folder, "networks.txt"), "w", encoding="utf-8") as stream:
        stream.write("".join(name + "\n" for name in NETWORKS))
