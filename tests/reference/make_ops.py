"""Chains of operators, forward and backward, in double precision.

A line of ops/cases.txt is  N C H W CLASSES STATISTICS : STEP STEP ...  and the chain starts at x (N, C, H, W), which trains;
behind the last step come a flatten and a linear layer to CLASSES, and the mean cross-entropy. A step is
    conv:O,kernel,stride,padding,groups,same,bias     bn:epsilon,momentum     relu6     pool     linear:O    flatten
    keep (remembers x)      add (adds what was remembered)
and a "!" behind its name freezes it. STATISTICS (still, move) is what batch norm that trains does.

ops/cases.bin has, case behind case, as f32: x; the parameters of every step in order, and of the linear layer (weight, bias,
running_mean, running_var); the labels; then what comes out: logits in evaluation, logits in training, the loss, the gradient
of x, of every parameter that trains and has one, in order; running_mean and running_var of every bn after the step.
"""
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

CASES = """
1 3 9 9 5 still : conv:5,3,1,1,1,0,1
2 3 11 7 4 still : conv:8,3,2,0,1,1,0
2 3 17 17 5 still : conv:32,3,2,0,1,1,0
3 3 12 12 5 still : conv:16,3,2,0,1,1,1
2 16 8 8 6 still : conv:16,1,1,0,1,0,0
3 5 7 6 3 still : conv:7,1,1,0,1,0,1
2 24 6 5 3 still : conv:40,1,1,0,1,0,0
1 80 5 5 3 still : conv:13,1,2,0,1,0,0
2 16 9 8 3 still : conv:24,3,1,1,1,0,0
2 7 10 9 3 still : conv:9,5,2,2,1,0,1
2 6 8 9 4 still : conv:4,3,2,1,2,0,0
2 32 7 7 4 still : conv:32,3,1,1,4,0,1
1 24 6 6 4 still : conv:48,3,1,1,3,0,0
2 8 9 9 4 still : conv:8,3,1,0,8,1,0
2 16 9 11 4 still : conv:16,3,2,0,16,1,0
2 16 12 12 4 still : conv:16,5,2,0,16,1,0
1 32 13 13 4 still : conv:32,5,1,0,32,1,0
3 40 7 7 4 still : conv:40,5,1,0,40,1,0
2 24 8 8 4 still : conv:24,3,2,0,24,1,0
2 48 6 5 4 still : conv:48,5,2,0,48,1,0
1 8 3 3 4 still : conv:8,5,1,0,8,1,0
2 5 9 8 4 still : conv:5,3,1,0,5,1,0
2 13 7 7 4 still : conv:13,5,2,0,13,1,1
2 16 9 9 4 still : conv:16,7,2,3,16,0,0
2 8 9 9 4 still : conv:16,3,1,1,8,0,0
2 16 8 8 4 still : conv:16,3,2,1,16,0,1
2 8 6 9 4 still : conv:8,3,1,0,8,0,0
4 5 5 6 4 still : bn:1e-5,0.1
4 5 5 6 4 move : bn:1e-5,0.1
4 5 5 6 4 move : bn!:1e-5,0.1
1 16 7 5 4 move : bn:1e-3,0.01
3 24 4 4 4 move : bn:1e-3,0.01
8 32 1 1 4 move : bn:1e-3,0.01
2 40 3 3 4 still : bn:1e-3,0.01
2 13 9 9 4 still : relu6
1 16 5 5 4 still : relu6
3 7 5 4 4 still : pool
2 16 7 7 4 still : pool
2 24 9 13 4 still : pool
1 1280 7 7 4 still : pool
2 3 5 4 4 still : flatten linear:10
5 17 1 1 4 still : flatten linear:1
3 64 1 1 4 still : flatten linear:33 linear!:9
2 8 5 5 4 still : keep add
2 8 5 5 4 still : keep relu6 add
2 13 5 6 4 still : keep conv:13,3,1,1,1,0,1 add
2 16 6 6 4 move : keep conv:16,3,1,1,1,0,0 bn:1e-3,0.01 add relu6
2 3 14 14 5 move : conv:8,3,2,0,1,1,0 bn:1e-3,0.01 relu6 keep conv:48,1,1,0,1,0,0 bn:1e-3,0.01 relu6 conv:48,3,1,0,48,1,0 bn:1e-3,0.01 relu6 conv:8,1,1,0,1,0,0 bn:1e-3,0.01 add pool
2 3 14 14 5 still : conv:8,3,2,0,1,1,0 bn:1e-3,0.01 relu6 keep conv:48,1,1,0,1,0,0 bn:1e-3,0.01 relu6 conv:48,3,1,0,48,1,0 bn:1e-3,0.01 relu6 conv:8,1,1,0,1,0,0 bn:1e-3,0.01 add pool
2 3 14 14 5 move : conv!:8,3,2,0,1,1,0 bn!:1e-3,0.01 relu6! keep conv!:48,1,1,0,1,0,0 bn:1e-3,0.01 relu6 conv:48,3,1,0,48,1,0 bn!:1e-3,0.01 relu6! conv!:8,1,1,0,1,0,0 bn!:1e-3,0.01 add! pool!
2 24 8 8 5 move : conv!:24,3,1,1,1,0,1 bn!:1e-3,0.01 relu6! conv!:24,5,2,0,24,1,0 bn!:1e-3,0.01 relu6! conv:24,5,1,0,24,1,0
8 64 1 1 4 still : flatten linear:33 linear!:9
13 17 2 2 4 still : flatten linear:7
"""


class Step:
    def __init__(self, text):
        name, _, numbers = text.partition(":")
        self.frozen = name.endswith("!")
        self.name = name.rstrip("!")
        self.numbers = [float(n) for n in numbers.split(",")] if numbers else []
        self.parameters = []

    def prepare(self, shape, random):
        """Draws parameters for an input of this shape; returns the output's shape."""
        def normal(*size, scale=1.0, shift=0.0):
            return torch.tensor((random.standard_normal(size) * scale + shift).astype(np.float32)).double()

        if self.name == "conv":
            out, kernel, _, _, groups, _, bias = map(int, self.numbers)
            fan = shape[1] // groups * kernel * kernel
            self.parameters = [normal(out, shape[1] // groups, kernel, kernel, scale=1.4 / math.sqrt(fan))]
            if bias:
                self.parameters.append(normal(out, scale=0.5))
        elif self.name == "linear":
            out = int(self.numbers[0])
            self.parameters = [normal(out, shape[1], scale=1.4 / math.sqrt(shape[1])), normal(out, scale=0.5)]
        elif self.name == "bn":
            channels = shape[1]
            uniform = torch.tensor(random.uniform(0.1, 1, (2, channels)).astype(np.float32)).double()
            self.parameters = [uniform[0], normal(channels, scale=0.5), normal(channels, scale=0.5), uniform[1] + 0.3]
        for index, parameter in enumerate(self.parameters):
            parameter.requires_grad_(not self.frozen and not (self.name == "bn" and index > 1))
        return self.run(torch.zeros(shape, dtype=torch.float64), [], False, False).shape

    def run(self, x, kept, training, move):
        p = self.parameters
        if self.name == "conv":
            _, kernel, stride, padding, groups, same, _ = map(int, self.numbers)
            if same:
                pads = []
                for size in (x.shape[3], x.shape[2]):
                    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
                    pads += [total // 2, total - total // 2]
                x, padding = F.pad(x, pads), 0
            return F.conv2d(x, p[0], p[1] if len(p) > 1 else None, stride, padding, 1, groups)
        if self.name == "bn":
            if training and move and not self.frozen:
                self.moved = [p[2].clone(), p[3].clone()]
                return F.batch_norm(x, self.moved[0], self.moved[1], p[0], p[1], True, self.numbers[1], self.numbers[0])
            return F.batch_norm(x, p[2], p[3], p[0], p[1], False, 0.0, self.numbers[0])
        if self.name == "relu6":
            return F.relu6(x)
        if self.name == "pool":
            return F.adaptive_avg_pool2d(x, 1)
        if self.name == "flatten":
            return x.flatten(1)
        if self.name == "linear":
            return F.linear(x, p[0], p[1])
        if self.name == "keep":
            kept.append(x)
            return x
        assert self.name == "add"
        return x + kept[-1] if kept else x


def run_chain(steps, head, x, training, move):
    kept = []
    for step in steps:
        x = step.run(x, kept, training, move)
    return F.linear(x.flatten(1), *head)


def make_case(line, random):
    front, back = line.split(":", 1)
    *numbers, statistics = front.split()
    n, c, h, w, classes = map(int, numbers)
    steps = [Step(text) for text in back.split()]
    x = torch.tensor((random.standard_normal((n, c, h, w)) * 2 + 0.5).astype(np.float32)).double()
    if steps[0].name == "relu6":  # both ends exactly, and beyond
        x = (x * 2).clamp(-3, 9)
        x.view(-1)[:12] = torch.tensor([0.0, 6.0] * 6, dtype=torch.float64)
    x.requires_grad_(True)
    shape = x.shape
    for step in steps:
        shape = step.prepare(shape, random)
    features = int(np.prod(shape[1:]))
    head = [torch.tensor((random.standard_normal(s) * k).astype(np.float32)).double().requires_grad_(True)
            for s, k in (((classes, features), 1.4 / math.sqrt(features)), ((classes,), 0.5))]
    labels = torch.tensor(random.integers(0, classes, n))
    evaluated = run_chain(steps, head, x, False, False)
    logits = run_chain(steps, head, x, True, statistics == "move")
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    parameters = [p for step in steps for p in step.parameters] + head
    values = [x] + parameters + [labels, evaluated, logits, loss, x.grad]
    values += [p.grad for p in parameters if p.grad is not None]
    for step in steps:
        if step.name == "bn":
            values += getattr(step, "moved", step.parameters[2:])
    return b"".join(v.detach().numpy().astype("<f4").tobytes() for v in values)


def make(folder):
    random = np.random.default_rng(20)
    lines = [line for line in CASES.strip().split("\n")]
    with open(os.path.join(folder, "cases.txt"), "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    with open(os.path.join(folder, "cases.bin"), "wb") as stream:
        for line in lines:
            stream.write(make_case(line, random))
