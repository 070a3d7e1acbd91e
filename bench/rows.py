"""The rows of the table: what graft and each peer are asked to do.

A row is a function from the work's place to {name: side}; the first side is graft's."""
import os
import subprocess

import peers
from networks import size_of
from sample import Loop, Whole

HERE = os.path.dirname(os.path.abspath(__file__))
TORCH = ["debian", "current"]
AGAIN = "graft, a second time"
NAMES = {"debian": "PyTorch of Debian", "current": "PyTorch of today", "onnxruntime": "ONNX Runtime",
         "openvino": "OpenVINO", "opencv": "OpenCV", "simd": "Pillow-SIMD"}
NETWORKS = {"resnet50": "ResNet50", "inception_v3": "Inception v3", "mobilenet_v2": "MobileNetV2",
            "efficientnet_lite0": "EfficientNet-Lite0"}


FAMILIES = ["alexnet", "vgg16", "resnet18", "googlenet", "squeezenet1_1", "densenet121", "mobilenet_v3_large",
            "shufflenet_v2_x1_0", "mnasnet1_0", "efficientnet_b0", "efficientnet_v2_s", "regnet_y_800mf", "convnext_tiny"]


def script(name):
    return os.path.join(HERE, name)


class Place:
    """What the rows are made of: the builds, the peers that are present, data and files made once."""

    def __init__(self, given, present):
        self.given, self.present = given, present
        self.threads = given.threads
        self.work = os.path.join(given.build, "bench-work")
        os.makedirs(self.work, exist_ok=True)
        self.graft = os.path.join(given.build, "graft")
        self.side = os.path.join(given.build, "bench", "side")

    def made(self, name, make):
        """A file or a folder of the work, made once, whole or not at all."""
        path = os.path.join(self.work, name)
        if not os.path.exists(path):
            print("    making %s" % path, flush=True)
            make(path + ".part")
            os.rename(path + ".part", path)
        return path

    def knows(self, option):
        """Whether this graft has an option of train."""
        said = subprocess.run([self.graft, "help", "train"], capture_output=True, text=True, check=True).stdout
        return option in said

    def takes_bf16(self, network):
        """Whether graft computes a network in bf16 on this machine when it is asked to."""
        said = subprocess.run([self.graft, "inspect", network, "--plan", "--batch", "0", "--precision", "bf16"],
                              capture_output=True, text=True, check=True).stdout
        return " bf16 " in said

    def cache(self, kind):
        return ["--cache", kind] if self.knows("--cache") else []

    def torch(self):
        return [peer for peer in TORCH if peer in self.present]

    def run(self, *command):
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)

    # ---- Made once

    def onnx(self, network, *options):
        name = "-".join([network, *(option.strip("-") for option in options)]) + ".onnx"
        return self.made(name, lambda path: self.run("/usr/bin/python3", script("peer_torch.py"), "export", network,
                                                     path, *options))

    def weights(self):
        """VGG16's: as published where they are, else drawn from a seed."""
        published = os.path.join(os.path.dirname(peers.folder()), "weights", "vgg16-397923af.pth")
        if os.path.exists(published):
            return published
        seeded = os.path.join(HERE, "..", "tests", "parity", "seeded.py")
        return self.made("vgg16.pth", lambda path: self.run("/usr/bin/python3", "-B", seeded, path, "vgg16"))

    def photographs(self):
        """train/ and val/ with class folders: those that were given, or made."""
        if self.given.pictures:
            return self.given.pictures
        return self.made("photographs", lambda path: self.run("/usr/bin/python3", script("pictures.py"), "photographs",
                                                              path))

    def small(self, count):
        return self.made("small-%d" % count, lambda path: self.run("/usr/bin/python3", script("pictures.py"), "small",
                                                                   path, count))


# ---- Passes and steps


def graft_loop(place, *words, threads=None):
    words = list(words)
    words.insert(3, threads or place.threads)
    return Loop([place.side, *words], "graft")


# What PyTorch frees, the next step takes again without asking the system.
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(16 << 30)}


def torch_loop(peer, place, work, network, batch, way, *options):
    environment = dict(peers.environment_of(peer), **(ALLOCATOR if way != "written" else {}))
    return Loop([peers.python_of(peer), script("peer_torch.py"), work, network, batch, place.threads, way, *options],
                peer, environment=environment)


def torch_sides(place, work, network, batch, *options):
    return {"%s, %s" % (NAMES[peer], "as written" if way == "written" else "best tuned"):
            torch_loop(peer, place, work, network, batch, way, *options)
            for peer in place.torch() for way in ("written", "tuned")}


def onnx_sides(place, network, batch, *options):
    return {NAMES[peer]: Loop([peers.python_of(peer), script("peer_onnx.py"), peer, place.onnx(network, *options), batch,
                               place.threads, size_of(network)], peer)
            for peer in ("openvino", "onnxruntime") if peer in place.present}


def vgg16_features(place):
    return {"graft": graft_loop(place, "forward", "vgg16", 8, "features"),
            **torch_sides(place, "forward", "vgg16", 8, "--features"), **onnx_sides(place, "vgg16", 8, "--features")}


def forward(network, batch):
    return lambda place: {"graft": graft_loop(place, "forward", network, batch),
                          **torch_sides(place, "forward", network, batch), **onnx_sides(place, network, batch)}


def step(network, batch, trains=None):
    """Of all layers, or of these; what is frozen runs in every step on both sides."""
    options = ("--trains", trains) if trains else ()
    return lambda place: {"graft": graft_loop(place, "step", network, batch, trains or "*"),
                          **torch_sides(place, "step", network, batch, *options)}


def family(network, batch):
    """Those that a user of Debian has, and ONNX Runtime."""
    def sides(place):
        own = {name: side for name, side in torch_sides(place, "forward", network, batch).items() if NAMES["debian"] in name}
        others = {name: side for name, side in onnx_sides(place, network, batch).items() if name == NAMES["onnxruntime"]}
        return {"graft": graft_loop(place, "forward", network, batch), **own, **others}
    return sides


def bf16(network, batch, *features):
    """`features`: the word for graft, the option of the others where the features alone are computed."""
    word, options = features[:1], features[1:]

    def sides(place):
        if not place.takes_bf16(network):
            return "f32 is as fast here"
        result = {"graft": graft_loop(place, "bf16", network, batch, *word)}
        for peer in place.torch():
            result["%s, autocast" % NAMES[peer]] = torch_loop(peer, place, "forward", network, batch, "bf16", *options)
        if "openvino" in place.present:
            result[NAMES["openvino"]] = Loop([peers.python_of("openvino"), script("peer_onnx.py"), "openvino",
                                              place.onnx(network, *options), batch, place.threads, size_of(network),
                                              "--bf16"], "openvino")
        return result
    return sides


def one_and_two(*words):
    return lambda place: {"graft": graft_loop(place, *words, threads=2),
                          "graft, one thread": graft_loop(place, *words, threads=1)}


# ---- Whole processes


def graft_chapter(place, cache, *options):
    words = [place.graft, "train", os.path.join(place.photographs(), "train"), "--model", "vgg16", "--weights",
             place.weights(), "--head", "linear(4096) relu dropout(0.5) linear", "--start", "pytorch", "--epochs", "10",
             "--batch", "32", "--lr", ".001", "--schedule", "constant", "--weight-decay", "0", "--augment", "none",
             "--val", "0", "--threads", place.threads, "--out", os.path.join(place.work, "chapter"), "--force", "--quiet"]
    return [*words, *place.cache(cache), *options]


def chapter_side(place, peer, way):
    return Whole([peers.python_of(peer), script("chapter.py"), os.path.join(place.photographs(), "train"),
                  place.weights(), way, place.threads], peer)


def chapter(place):
    """Minutes of PyTorch's, so only the newest takes part. The second time is measured in the same turns."""
    sides = {"graft": Whole(graft_chapter(place, "memory"), "graft")}
    if place.knows("--cache"):
        sides[AGAIN] = Whole(graft_chapter(place, "disk"), "graft", "features on disk from the run before")
    if place.takes_bf16("vgg16"):
        sides["graft, the frozen part in bf16"] = Whole(graft_chapter(place, "memory", "--precision", "bf16"), "graft")
    for peer in place.torch()[-1:]:
        for way, name in (("written", "as the chapter has it"), ("tuned", "tuned"), ("kept", "features kept by hand")):
            sides["%s, %s" % (NAMES[peer], name)] = chapter_side(place, peer, way)
    return sides


def lite0_head(place):
    """As tutorials write it the frozen backbone runs every epoch, held-out pictures too. The newest PyTorch takes part."""
    data, model = place.photographs(), os.path.join(place.work, "model.pt")
    result = {"graft": Whole([place.graft, "train", data, "--epochs", "5", "--out", os.path.join(place.work, "head"),
                              "--force", "--quiet", "--threads", place.threads, *place.cache("memory")], "graft")}
    for peer in place.torch()[-1:]:
        command = [peers.python_of(peer), script("tutorial.py"), "head", data, model, "--epochs", "5", "--threads",
                   place.threads]
        result["%s, as tutorials write it" % NAMES[peer]] = Whole(command, peer)
        result["%s, features kept by hand" % NAMES[peer]] = Whole([*command, "--keep"], peer)
    return result


def lite0_training(place):
    data = place.photographs()
    model = os.path.join(place.work, "model.pt")
    return {"graft": Whole([place.graft, "train", data, "--trainable", "all", "--start", "zero", "--epochs", "1", "--out",
                            os.path.join(place.work, "all"), "--force", "--quiet", "--threads", place.threads,
                            *place.cache("memory")], "graft"),
            **{"%s, two loader workers" % NAMES[peer]:
               Whole([peers.python_of(peer), script("tutorial.py"), "all", data, model, "--threads", place.threads], peer)
               for peer in place.torch()[-1:]}}


def predict(place):
    picture = os.path.join(place.photographs(), "val")
    for _ in range(2):
        picture = os.path.join(picture, sorted(os.listdir(picture))[0])
    weights = os.path.join(os.path.dirname(peers.folder()), "weights", "efficientnet-lite0-57934424.pth")
    result = {"graft": Whole([place.graft, "predict", "--model", "efficientnet_lite0", picture, "--threads",
                              place.threads], "graft")}
    for peer in place.torch():
        result[NAMES[peer]] = Whole([peers.python_of(peer), script("peer_torch.py"), "predict", weights, picture,
                                     place.threads], peer)
    if "onnxruntime" in place.present:
        result[NAMES["onnxruntime"]] = Whole([peers.python_of("onnxruntime"), script("peer_onnx.py"), "predict",
                                              place.onnx("efficientnet_lite0"), picture, place.threads], "onnxruntime")
    return result


def pictures(place):
    """One core: all sides on the same one."""
    folder = os.path.join(place.photographs(), "train")
    pinned = ["taskset", "-c", max(os.sched_getaffinity(0))]
    sides = {"graft": Loop([*pinned, place.side, "pictures", folder], "graft")}
    kinds = {"debian": "torchvision", "current": "torchvision", "simd": "pillow", "opencv": "opencv"}
    for peer, kind in kinds.items():
        if peer in place.present:
            name = {"debian": "Pillow + torchvision of Debian", "current": "Pillow + torchvision of today"}.get(
                peer, NAMES[peer])
            sides[name] = Loop([*pinned, peers.python_of(peer), script("peer_pictures.py"), kind, folder], peer)
    return sides


def many_pictures(place):
    """The same head on a hundred times as many pictures: seconds of one picture and one picture's part of the start. Each
    run begins with an empty cache of its own."""
    def train(count):
        words = [place.graft, "train", place.small(count), "--weights", "none", "--size", "32", "--augment", "none",
                 "--epochs", "2", "--val", "0", "--out", os.path.join(place.work, "small"), "--force", "--quiet",
                 "--threads", place.threads]
        fresh = ["sh", "-c", 'rm -rf "$XDG_CACHE_HOME"; exec "$@"', "sh"]
        return Whole(fresh + words + place.cache("disk"), "graft", units=count,
                     environment={"XDG_CACHE_HOME": os.path.abspath(os.path.join(place.work, "cache"))})
    return {"graft": train(60000), "graft, 600 pictures": train(600)}


class Row:
    """`against`: which sides the ratio is to, by words of their names; the fastest of them counts. `part_of`: it is measured
    with another row, as the named side of graft's."""

    def __init__(self, title, sides, aim, against="PyTorch", part_of=None):
        self.title, self.sides, self.aim, self.against, self.part_of = title, sides, aim, against, part_of


ROWS = {"vgg16-features": Row("VGG16 features, batch 8", vgg16_features,
                              "3.7x as written, 2.5x tuned, 2x OpenVINO and ONNX Runtime")}
for network, title in NETWORKS.items():
    for batch in (1, 16):
        ROWS["%s-%d" % (network, batch)] = Row("%s, forward, batch %d" % (title, batch), forward(network, batch),
                                               "1.5x PyTorch's best, 1x OpenVINO")
ROWS["vgg16-bf16"] = Row("VGG16 features, batch 8, bf16", bf16("vgg16", 8, "features", "--features"), "1x the best", "")
for network, title in NETWORKS.items():
    ROWS[network + "-bf16"] = Row("%s, forward, batch 16, bf16" % title, bf16(network, 16), "1x the best", "")
for network in FAMILIES:
    for batch in (1, 16):
        ROWS["%s-%d" % (network, batch)] = Row("%s, forward, batch %d" % (network, batch), family(network, batch), "")
ROWS["chapter"] = Row("the chapter's job, 10 epochs, whole process", chapter, "40x / 20x tuned / 3x kept by hand")
ROWS["chapter-again"] = Row("the same a second time (features on disk)", None, "80x", "as the chapter has it",
                            part_of=("chapter", AGAIN))
ROWS["lite0-head"] = Row("EfficientNet-Lite0, a new head, 5 epochs, whole process", lite0_head, "10x")
ROWS["resnet50-step"] = Row("ResNet50, all layers, batch 16, one step", step("resnet50", 16), "2x, half the memory")
ROWS["inception_v3-step"] = Row("Inception v3 with aux, all layers, batch 16, one step", step("inception_v3", 16), "2x")
ROWS["resnet50-head-step"] = Row("ResNet50, the head alone, batch 32, one step, nothing kept",
                                 step("resnet50", 32, "fc"), "")
ROWS["resnet50-layer4-step"] = Row("ResNet50, layer4 and fc, batch 32, one step, nothing kept",
                                   step("resnet50", 32, "layer4,fc"), "")
ROWS["resnet50-step-32"] = Row("ResNet50, all layers, batch 32, one step", step("resnet50", 32), "")
ROWS["lite0-training"] = Row("EfficientNet-Lite0, all layers, batch 32, an epoch with loading", lite0_training, "3x")
ROWS["pictures"] = Row("decode, resize, crop: a picture on one core", pictures, "2x", "Pillow +")
ROWS["predict"] = Row("predict one picture, whole process", predict, "15x; memory 3x; installed 1/50")
ROWS["many-pictures"] = Row("60,000 small pictures, a head: one of them, and one of 600", many_pictures, "memory flat, time linear",
                            "graft, 600")
ROWS["threads-vgg16"] = Row("VGG16 features, 1 and 2 threads", one_and_two("forward", "vgg16", 8, "features"), "1.8x",
                            "graft, one")
ROWS["threads-resnet50"] = Row("ResNet50 forward, batch 16, 1 and 2 threads", one_and_two("forward", "resnet50", 16),
                               "1.8x", "graft, one")
ROWS["threads-step"] = Row("ResNet50 step, batch 16, 1 and 2 threads", one_and_two("step", "resnet50", 16, "*"), "1.8x",
                           "graft, one")
