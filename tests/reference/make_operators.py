"""Operators of torchvision's networks: outputs and gradients by PyTorch in double, from inputs that are f32.

operators/cases.txt has a line for each case: OPERATOR SHAPE,... KEY=VALUE ..., and data.bin its numbers as f32: inputs,
parameters, the gradient of the output, the output, gradients of the inputs and of the parameters. losses.txt and
losses.bin likewise: LOSS N CLASSES SMOOTHING; x, labels as int32, the loss, the gradient of x."""
import os

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.models.shufflenetv2 import channel_shuffle

SHAPES = [(1, 1, 5, 7), (4, 3, 9, 8), (1, 5, 13, 11), (4, 16, 7, 7), (4, 24, 10, 9), (1, 64, 6, 5), (4, 58, 7, 5)]


class Writer:
    def __init__(self, folder):
        self.folder = folder
        self.lines = []
        self.numbers = []
        self.random = np.random.default_rng(11)

    def draw(self, shape, scale=1.0, step=None):
        """Normal numbers; with a step they are rounded to it, so that there are ties and edges."""
        x = self.random.standard_normal(shape) * scale
        return (np.round(x / step) * step if step else x).astype(np.float32)

    def case(self, name, function, inputs, parameters=(), **attributes):
        tensors = [torch.from_numpy(t.astype(np.float64)).requires_grad_() for t in [*inputs, *parameters]]
        y = function(*tensors)
        gradient = self.draw(tuple(y.shape))
        y.backward(torch.from_numpy(gradient.astype(np.float64)))
        for t in [*inputs, *parameters, gradient, y.detach().numpy(), *[t.grad.numpy() for t in tensors]]:
            self.numbers.append(np.ascontiguousarray(t, dtype=np.float32).ravel())
        words = [name] + [",".join(map(str, x.shape)) for x in inputs]
        words += ["%s=%.9g" % pair for pair in attributes.items()]
        self.lines.append(" ".join(words))

    def save(self, name):
        with open(os.path.join(self.folder, name + ".txt"), "w", encoding="utf-8") as stream:
            stream.write("\n".join(self.lines) + "\n")
        np.concatenate(self.numbers).astype("<f4").tofile(os.path.join(self.folder, name + ".bin"))


def make_functions(w):
    functions = {"relu": (F.relu, 0.5), "relu6": (lambda x: F.relu6(x), 0.5), "sigmoid": (torch.sigmoid, None),
                 "hard_sigmoid": (F.hardsigmoid, 0.5), "silu": (F.silu, None), "hard_swish": (F.hardswish, None),
                 "gelu": (F.gelu, None)}
    for name, (function, step) in functions.items():
        for shape in [*SHAPES, (4, 37)]:
            w.case(name, function, [w.draw(shape, 4.0, step)])


def make_pools(w):
    for kernel, stride, padding in ((2, 2, 0), (3, 2, 1), (3, 1, 1), (3, 2, 0), (5, 3, 2), (2, 2, 1)):
        for ceil_mode in (0, 1):
            for i, shape in enumerate(SHAPES):
                how = dict(kernel=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)
                w.case("max_pool2d", lambda x: F.max_pool2d(x, kernel, stride, padding, ceil_mode=bool(ceil_mode)),
                       [w.draw(shape, 1.0, 0.5)], **how)
                exclude = (i + kernel + ceil_mode) % 2
                w.case("avg_pool2d",
                       lambda x: F.avg_pool2d(x, kernel, stride, padding, bool(ceil_mode), not exclude),
                       [w.draw(shape)], exclude_padding=exclude, **how)
    for size in ((1, 1), (7, 7), (2, 3), (6, 4), (9, 12)):
        for shape in [*SHAPES, (1, 8, 14, 14)]:
            w.case("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, size), [w.draw(shape)], height=size[0],
                   width=size[1])


def make_channels(w):
    for widths in ((3, 5), (16, 24, 8), (64,), (58, 58), (16, 3, 16, 1), tuple(range(1, 20)), (32,) * 9):
        shapes = [(4, width, 7, 5) for width in widths]
        w.case("concat", lambda *x: torch.cat(x, 1), [w.draw(shape) for shape in shapes])
    for channels, begin, width in ((5, 1, 3), (64, 32, 32), (116, 0, 58), (116, 58, 58), (48, 24, 24), (48, 0, 24),
                                   (16, 15, 1)):
        for batch in (1, 4):
            w.case("slice_channels", lambda x: x[:, begin:begin + width], [w.draw((batch, channels, 7, 9))], begin=begin,
                   channels=width)
    for channels, groups in ((6, 2), (48, 2), (116, 2), (176, 2), (24, 3), (15, 5), (16, 4), (7, 1)):
        for batch in (1, 4):
            w.case("channel_shuffle", lambda x: channel_shuffle(x, groups), [w.draw((batch, channels, 7, 9))],
                   groups=groups)
    for shape in SHAPES:
        w.case("permute", lambda x: x.permute(0, 2, 3, 1), [w.draw(shape)], back=0)
        w.case("permute", lambda x: x.permute(0, 3, 1, 2), [w.draw(shape)], back=1)


def make_scales(w):
    for shape in [*SHAPES, (2, 40, 17, 19)]:
        n, c, height, width = shape
        w.case("mul", lambda x, s: x * s, [w.draw(shape), w.draw((n, c, 1, 1))])
        w.case("layer_scale", lambda x, s: x * s, [w.draw(shape)], [w.draw((c, 1, 1))], last=0)
        w.case("layer_scale", lambda x, s: x * s.reshape(-1), [w.draw((n, height, width, c))], [w.draw((c, 1, 1))], last=1)
        if c <= 3:
            scale, shift = w.draw(c), w.draw(c)
            how = {f"scale{i}": scale[i] for i in range(c)} | {f"shift{i}": shift[i] for i in range(c)}
            numbers = [torch.from_numpy(v.astype(np.float64)).reshape(1, c, 1, 1) for v in (scale, shift)]
            w.case("affine", lambda x: x * numbers[0] + numbers[1], [w.draw(shape)], **how)


def make_norms(w):
    for shape in [s for s in SHAPES if s[1] > 1] + [(2, 96, 9, 7)]:
        n, c, height, width = shape
        parameters = [w.draw(c), w.draw(c)]
        norm = lambda x, g, b: F.layer_norm(x, (c,), g, b, 1e-6)
        w.case("layer_norm", lambda x, g, b: norm(x.permute(0, 2, 3, 1), g, b).permute(0, 3, 1, 2),
               [w.draw(shape) + np.float32(0.7)], parameters, epsilon=1e-6)
        w.case("layer_norm", norm, [w.draw((n, height, width, c), 3.0)], parameters, last=1, epsilon=1e-6)
        w.case("layer_norm", lambda x, g, b: F.layer_norm(x, (c,), g, b), [w.draw((n, c))], parameters)


def make_linear(w):
    for shape in ((1, 5), (4, 64), (16, 40), (4, 3, 5, 24), (1, 7, 7, 16), (4, 1, 1, 3)):
        for features in (1, 10, 96):
            w.case("linear", F.linear, [w.draw(shape)],
                   [w.draw((features, shape[-1]), 0.3), w.draw(features)], features=features, last=int(len(shape) == 4))
    for shape in ((1, 2), (4, 10), (4, 1000)):
        w.case("log_softmax", lambda x: F.log_softmax(x, 1), [w.draw(shape, 5.0)])


def make_convolutions(w):
    #         N  in  H   W   out kernel padding stride groups
    cases = [(4, 16, 9, 9, 24, (1, 7), (0, 3), 1, 1), (1, 16, 9, 9, 24, (7, 1), (3, 0), 1, 1),
             (4, 24, 8, 8, 16, (1, 3), (0, 1), 1, 1), (4, 3, 11, 13, 5, (3, 1), (1, 0), 1, 1),
             (1, 3, 17, 15, 16, (7, 7), (3, 3), 2, 1), (4, 5, 7, 9, 3, (5, 5), (2, 2), 1, 1),
             (4, 16, 8, 8, 16, (4, 4), (0, 0), 4, 1), (1, 64, 7, 7, 64, (3, 3), (1, 1), 1, 1),
             (4, 32, 7, 7, 32, (3, 3), (1, 1), 1, 8), (4, 32, 9, 9, 32, (3, 3), (1, 1), 2, 4),
             (4, 24, 7, 7, 24, (7, 7), (3, 3), 1, 24), (1, 58, 9, 9, 58, (3, 3), (1, 1), 2, 58),
             (4, 58, 5, 5, 58, (1, 1), (0, 0), 1, 1), (4, 1, 9, 9, 1, (3, 3), (1, 1), 1, 1),
             (4, 24, 1, 1, 5, (1, 1), (0, 0), 1, 1)]
    for n, c, height, width, out, kernel, padding, stride, groups in cases:
        for bias in (0, 1):
            parameters = [w.draw((out, c // groups, *kernel), 0.5)] + [w.draw(out)] * bias
            w.case("conv2d", lambda x, k, b=None: F.conv2d(x, k, b, stride, padding, groups=groups),
                   [w.draw((n, c, height, width))], parameters, channels=out, kernel_height=kernel[0],
                   kernel_width=kernel[1], padding_height=padding[0], padding_width=padding[1], stride=stride,
                   groups=groups, bias=bias)


def make_losses(w):
    for n, classes in ((1, 2), (4, 12), (3, 1000)):
        for smoothing in (0.0, 0.1, 0.3, -1.0):
            logits, labels = w.draw((n, classes), 3.0), w.random.integers(0, classes, n)
            x = torch.from_numpy(logits.astype(np.float64)).requires_grad_()
            target = torch.from_numpy(labels)
            loss = F.cross_entropy(x, target, label_smoothing=smoothing) if smoothing >= 0 else F.nll_loss(x, target)
            loss.backward()
            w.lines.append("%s %d %d %.9g" % ("nll" if smoothing < 0 else "cross_entropy", n, classes, smoothing))
            w.numbers += [logits.ravel(), labels.astype(np.int32).view(np.float32), np.float32([loss.item()]),
                          x.grad.numpy().astype(np.float32).ravel()]


def make(folder):
    torch.set_num_threads(1)
    w = Writer(folder)
    for part in (make_functions, make_pools, make_channels, make_scales, make_norms, make_linear, make_convolutions):
        part(w)
    w.save("cases")
    w = Writer(folder)
    make_losses(w)
    w.save("losses")
