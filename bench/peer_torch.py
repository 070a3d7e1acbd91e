"""PyTorch's side of a row, in whichever PyTorch runs this program; the same words as side.c's, and how it is done.

    forward NETWORK BATCH THREADS WAY [--features]
    step NETWORK BATCH THREADS WAY [--trains MODULES]   all layers, or these; SGD with momentum
    predict WEIGHTS PICTURE THREADS             EfficientNet-Lite0, a whole process
    export NETWORK FILE [--features]            an ONNX file

WAY: written, as a tutorial has it; tuned, the fastest of what this PyTorch offers, found by trying; bf16, the fastest with
autocast."""
import argparse
import os
import sys
import time

import torch
import torch.nn.functional as F
import torchvision

from networks import size_of

LEAST_SECONDS = .5
CURRENT = int(torch.__version__.split(".")[0]) >= 2


def network(name):
    if name == "efficientnet_lite0":
        from efficientnet_lite_pytorch import EfficientNet
        return EfficientNet.from_name("efficientnet-lite0")
    options = {"inception_v3": {"init_weights": False, "transform_input": True}}.get(name, {})
    return getattr(torchvision.models, name)(weights=None, **options)


# ---- Ways to run a network: (name, preparation) -> a call without arguments


def as_is(model, x):
    return model, x


def channels_last(model, x):
    return model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)


def frozen(model, x):
    """TorchScript, folded and handed over to oneDNN where it fits."""
    return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x))), x


def frozen_channels_last(model, x):
    return frozen(*channels_last(model, x))


def compiled(model, x):
    import torch._inductor.config
    torch._inductor.config.freezing = True
    return torch.compile(model), x


def compiled_channels_last(model, x):
    return compiled(*channels_last(model, x))


# Beside what is written, which is a side of its own.
FORWARD = [channels_last, compiled, compiled_channels_last] if CURRENT else [frozen, frozen_channels_last]
STEP = [channels_last, compiled_channels_last] if CURRENT else [channels_last]


def seconds_of(call, least=LEAST_SECONDS):
    began, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - began < least:
        call()
        count += 1
    return (time.perf_counter() - began) / count


def fastest(ways, prepare):
    """The preparations are tried one after another; what fails is no way."""
    best = None
    for way in ways if len(ways) > 1 else ():
        try:
            call = prepare(way)
            for _ in range(2):
                call()
            seconds = seconds_of(call)
        except Exception as error:  # whatever a compiler says
            print("%s: %s" % (way.__name__, error), file=sys.stderr)
            continue
        if best is None or seconds < best[0]:
            best = seconds, way.__name__
    return best[1] if best else ways[0].__name__


def prepared(given, ways, prepare):
    """As asked for. Where that is the fastest, the program starts anew with it once it is found, so that the memory of the
    others is not counted."""
    if given.way == "written":
        return "eager", prepare(as_is)
    if not given.how:
        os.execv(sys.executable, [sys.executable, *sys.argv, "--how", fastest(ways, prepare)])
    return given.how.replace("_", " "), prepare({way.__name__: way for way in ways}[given.how])


def obey(name, call):
    call()
    print("ready", name, flush=True)
    for _ in sys.stdin:
        print("%.9f" % seconds_of(call), flush=True)


# ---- The work


def forward(given):
    """As written under no_grad; the others under inference_mode, which is faster."""
    mode = torch.no_grad if given.way == "written" else torch.inference_mode

    def prepare(way):
        model = network(given.network).eval()
        x = torch.randn(given.batch, 3, size_of(given.network), size_of(given.network))
        with torch.no_grad():
            model, x = way(model.features if given.features else model, x)

        def call():
            with mode(), torch.autocast("cpu", torch.bfloat16, enabled=given.way == "bf16"):
                model(x)
        return call
    return prepared(given, FORWARD, prepare)


def step(given):
    def prepare(way):
        model = network(given.network).train()
        x = torch.randn(given.batch, 3, size_of(given.network), size_of(given.network))
        labels = torch.arange(given.batch) % 7
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(given.trains is None or name.startswith(tuple(given.trains.split(","))))
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], .001, .9)
        run, x = way(model, x)

        def call():
            optimizer.zero_grad()
            out = run(x)
            if given.network == "inception_v3":
                loss = F.cross_entropy(out[0], labels) + .4 * F.cross_entropy(out[1], labels)
            else:
                loss = F.cross_entropy(out, labels)
            loss.backward()
            optimizer.step()
            return loss.item()
        return call
    return prepared(given, STEP, prepare)


def predict(given):
    import recipe
    model = recipe.network(weights=given.weights)
    with torch.no_grad():
        logits = model(recipe.PLAIN(recipe.as_pillow(given.picture))[None])
    print(logits.softmax(1).max(1))


def export(given):
    model = network(given.network).eval()
    x = torch.randn(1, 3, size_of(given.network), size_of(given.network))
    torch.onnx.export(model.features if given.features else model, x, given.file, input_names=["x"],
                      dynamic_axes={"x": {0: "n"}}, opset_version=13)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    works = parser.add_subparsers(dest="work", required=True)
    for work in ("forward", "step"):
        words = works.add_parser(work)
        words.add_argument("network")
        words.add_argument("batch", type=int)
        words.add_argument("threads", type=int)
        words.add_argument("way", choices=["written", "tuned", "bf16"])
        words.add_argument("--features", action="store_true")
        words.add_argument("--trains", metavar="MODULES", help="what trains, with commas; all where it is not given")
        words.add_argument("--how", help="the way that was found to be the fastest")
    words = works.add_parser("predict")
    for name in ("weights", "picture"):
        words.add_argument(name)
    words.add_argument("threads", type=int)
    words = works.add_parser("export")
    words.add_argument("network")
    words.add_argument("file")
    words.add_argument("--features", action="store_true")
    given = parser.parse_args()
    if given.work != "export":
        torch.set_num_threads(given.threads)
    if given.work in ("forward", "step"):
        obey(*{"forward": forward, "step": step}[given.work](given))
    else:
        {"predict": predict, "export": export}[given.work](given)


main()
