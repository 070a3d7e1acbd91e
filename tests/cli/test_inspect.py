"""graft inspect: checkpoints, runs and networks, for people and for programs."""
import hashlib
import json
import math
import os
import re
import shutil
import struct
import tempfile
import unittest

import command
import models
from command import graft

FOLDER = tempfile.mkdtemp(prefix="graft-test-inspect-")
RUN = os.path.join(FOLDER, "run")


def setUpModule():
    command.write_classes(os.path.join(FOLDER, "data"), ("blue", "red"), 4)
    models.train(os.path.join(FOLDER, "data"), RUN, "--epochs", 1, "--pictures", "as-pillow", "--seed", 5)


def tearDownModule():
    shutil.rmtree(FOLDER)


class InspectTest(command.CommandTest):
    def inspect(self, *arguments):
        done = graft("inspect", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def inspect_json(self, *arguments):
        text = self.inspect(*arguments, "--json")
        self.assertEqual(text.count("\n"), 1)
        return json.loads(text)


class Checkpoints(InspectTest):
    def setUp(self):
        super().setUp()
        import torch
        self.tensors = {
            "good": torch.zeros(2, 3, 5),
            "bad": torch.tensor([1.0, math.nan, math.inf, -math.inf, math.nan]),
            "half": torch.tensor([[math.nan], [2.0]], dtype=torch.float16),
            "count": torch.tensor(7),
            "empty": torch.zeros(0, 4),
        }
        torch.save(self.tensors, "zip.pth")
        torch.save(self.tensors, "legacy.pth", _use_new_zipfile_serialization=False)

    def test_tensors(self):
        for name, form in (("zip.pth", "PyTorch (zip)"), ("legacy.pth", "PyTorch (legacy)")):
            found = self.inspect_json(name)
            with open(name, "rb") as stream:
                self.assertEqual(found["sha256"], hashlib.sha256(stream.read()).hexdigest())
            self.assertEqual((found["file"], found["format"], found["metadata"]), (name, form, {}))
            self.assertNotIn("model", found)
            self.assertEqual([t["name"] for t in found["tensors"]], list(self.tensors))
            by_name = {t.pop("name"): t for t in found["tensors"]}
            self.assertEqual(by_name["good"], {"dtype": "f32", "shape": [2, 3, 5], "nan": 0, "infinite": 0})
            self.assertEqual(by_name["bad"], {"dtype": "f32", "shape": [5], "nan": 2, "infinite": 2})
            self.assertEqual(by_name["half"], {"dtype": "f16", "shape": [2, 1], "nan": 1, "infinite": 0})
            self.assertEqual(by_name["count"], {"dtype": "i64", "shape": [], "nan": 0, "infinite": 0})
            self.assertEqual(by_name["empty"], {"dtype": "f32", "shape": [0, 4], "nan": 0, "infinite": 0})

    def test_lines(self):
        text = self.inspect("zip.pth")
        self.assertRegex(text, r"tensors +5: 38 numbers, 152 bytes; 3 NaN, 2 infinite")
        self.assertRegex(text, r"(?m)^good +f32 +\(2, 3, 5\)$")
        self.assertRegex(text, r"(?m)^bad +f32 +\(5\)  2 NaN  2 infinite$")
        self.assertRegex(text, r"(?m)^count +i64 +\(\)$")

    def test_safetensors_with_metadata(self):
        header = json.dumps({"__metadata__": {"by": "a test"}, "w": {"dtype": "BF16", "shape": [2],
                                                                    "data_offsets": [0, 4]}}).encode()
        with open("x.safetensors", "wb") as stream:
            stream.write(struct.pack("<Q", len(header)) + header + b"\x80\x3f\x80\x7f")  # 1, infinity
        found = self.inspect_json("x.safetensors")
        self.assertEqual((found["format"], found["metadata"]), ("safetensors", {"by": "a test"}))
        self.assertEqual(found["tensors"], [{"name": "w", "dtype": "bf16", "shape": [2], "nan": 0, "infinite": 1}])

    def test_what_is_no_checkpoint(self):
        with open("page.pth", "w", encoding="utf-8") as stream:
            stream.write("<!DOCTYPE html><html></html>")
        with open("empty.pth", "wb"):
            pass
        with open("zip.pth", "rb") as stream, open("cut.pth", "wb") as cut:
            cut.write(stream.read()[:-100])
        for name in ("page.pth", "empty.pth", "cut.pth"):
            self.refuses(1, name, "inspect", name)


class Runs(InspectTest):
    def test_facts(self):
        found = self.inspect_json(RUN)
        self.assertEqual((found["run"], found["network"]), (RUN, "efficientnet_lite0"))
        self.assertEqual((found["classes"], found["class_count"]), (["blue", "red"], 2))
        self.assertEqual(found["pictures"], "as-pillow")
        self.assertEqual((found["head"], found["trained"]), ("_fc", ["_fc"]))
        self.assertEqual((found["transform"]["resize"], found["transform"]["crop"]), (256, 224))
        self.assertEqual((found["transform"]["divisor"], found["transform"]["mean"]), (1, [127] * 3))
        self.assertEqual(found["parameters"], 4652008 - 1281000 + 2 * 1281)
        self.assertEqual(found["notes"], {"graft.data": os.path.realpath(os.path.join(FOLDER, "data")),
                                          "graft.held_out": "0.2", "graft.seed": "5", "graft.trained_on": 6})
        text = self.inspect(RUN)
        for words in (r"network +efficientnet_lite0", r"classes +2: blue, red\n", r"pictures +as-pillow; short side",
                      r"trained +2.6 k of 3.4 M parameters", r"seed +5", r"trained on +6 pictures"):
            self.assertRegex(text, words)

    def test_the_file_shows_its_tensors_too(self):
        path = os.path.join(RUN, "model.safetensors")
        found = self.inspect_json(path)
        self.assertEqual(found["model"]["classes"], ["blue", "red"])
        self.assertEqual(found["metadata"]["graft.network"], "efficientnet_lite0")
        shapes = {t["name"]: t["shape"] for t in found["tensors"]}
        self.assertEqual((len(shapes), shapes["_fc.weight"]), (296, [2, 1280]))
        text = self.inspect(path)
        self.assertRegex(text, r"(?m)^classes +2: blue, red$")
        self.assertRegex(text, r"(?m)^_fc.weight +f32 +\(2, 1280\)$")

    def test_folders_that_are_none(self):
        os.mkdir("empty")
        self.refuses(1, ["empty", "model.safetensors"], "inspect", "empty")


class Networks(InspectTest):
    def test_totals(self):
        found = self.inspect_json("efficientnet_lite0")
        nodes = found["nodes"]
        self.assertEqual(found["parameters"], 4652008)  # PyTorch's count of the package's own model
        self.assertEqual(found["parameters"], sum(n["parameters"] for n in nodes))
        self.assertEqual(found["macs"], sum(n["macs"] for n in nodes))
        self.assertEqual(found["backbone_macs"], sum(n["macs"] for n in nodes if n["backbone"]))
        self.assertEqual([n["name"] for n in nodes if n["trains"]], ["_fc"])
        self.assertEqual((found["trained_parameters"], found["kept"]), (1281000, 1280))
        stem = next(n for n in nodes if n["name"] == "_conv_stem")
        self.assertEqual((stem["shape"], stem["parameters"], stem["macs"]),
                         ([1, 32, 112, 112], 864, 864 * 112 * 112))
        self.assertEqual(found["published"][0]["file"], "efficientnet-lite0-57934424.pth")

    def test_the_boundary_moves(self):
        everything = self.inspect_json("efficientnet_lite0", "--trainable", "all")
        self.assertEqual(everything["trained_parameters"], everything["parameters"])
        self.assertEqual((everything["kept"], everything["backbone_macs"]), (3 * 224 * 224, 0))
        last = self.inspect_json("efficientnet_lite0", "--trainable", "_conv_head,_bn1")
        self.assertEqual(last["kept"], 320 * 7 * 7)
        self.assertEqual([n["name"] for n in last["nodes"] if n["trains"] and n["parameters"]],
                         ["_conv_head", "_bn1", "_fc"])
        frozen = self.inspect_json("efficientnet_lite0", "--freeze", "_conv_stem,_bn0,_blocks")
        self.assertEqual(frozen["trained_parameters"], last["trained_parameters"])

    def test_lines(self):
        text = self.inspect("efficientnet_lite0")
        lines = text.splitlines()
        table = lines[lines.index("") + 1:]
        self.assertLessEqual(max(map(len, table)), 80)
        boundary = next(i for i, line in enumerate(lines) if line.startswith("--- frozen boundary: 1,280 numbers"))
        self.assertRegex(lines[boundary + 1], r"^\* _fc +linear +1000 +1,281,000 +1.3 M$")
        self.assertFalse(any(line.startswith("*") for line in lines[:boundary]))
        self.assertRegex(text, r"parameters +4,652,008, of which 1,281,000 train")

    def test_plans(self):
        found = self.inspect_json("efficientnet_lite0", "--plan", "--trainable", "_conv_head", "--batch", 2, "--threads", 1)
        asked = self.inspect_json("efficientnet_lite0", "--plan", "--batch", 0, "--threads", 1, "--kernels", "channels-last")
        self.assertEqual([p["kernels"] for p in asked["plans"]], ["direct", "channels-last"])  # one picture goes direct
        self.assertEqual((found["network"], found["threads"]), ("efficientnet_lite0", 1))
        self.assertEqual([(p["part"], p["batch"]) for p in found["plans"]],
                         [("backbone", 8), ("evaluation", 8), ("training", 2)])
        for plan in found["plans"]:
            self.assertIsNone(plan["milliseconds"])
            self.assertEqual(max(s["live"] for s in plan["steps"]), plan["workspace"])
        frozen, _, trained = found["plans"]
        text = graft("help", "inspect").stdout.partition("--json")[2]
        for key in {**found, **frozen, **frozen["steps"][0]}:
            self.assertRegex(text, rf"\b{key}\b")
        self.assertEqual(frozen["steps"][-1]["shape"], [8, 320, 7, 7])
        self.assertEqual([s["layout"] for s in frozen["steps"] if s["from"]][-1:], ["nchw"])  # what is kept is plain
        self.assertTrue({p["kernels"] for p in found["plans"]} <= {"direct", "winograd", "blocked"})
        self.assertEqual({s["phase"] for s in frozen["steps"]}, {"forward"})
        self.assertEqual([p for p in ("forward", "loss", "backward") if p in {s["phase"] for s in trained["steps"]}],
                         ["forward", "loss", "backward"])

    def test_plans_of_prediction_in_lines(self):
        text = self.inspect("squeezenet1_1", "--plan", "--time", "--batch", 0)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        heads = re.findall(r"(?m)^backbone of (\d), [a-z]+: \d+ steps, \d+ of them reorders; workspace .*; ([\d.]+) ms$", text)
        self.assertEqual([batch for batch, _ in heads], ["1", "8"])
        self.assertTrue(all(float(time) > 0 for _, time in heads), heads)

    def test_refusals(self):
        self.refuses(1, "did you mean efficientnet_lite0?", "inspect", "efficientnet-lite0")
        self.refuses(1, "qqq: neither a file nor a network: `graft models` lists those", "inspect", "qqq")
        self.refuses(1, "_conv_head", "inspect", "efficientnet_lite0", "--trainable", "_conv_hed")
        self.refuses(1, "complements", "inspect", "efficientnet_lite0", "--trainable", "all", "--freeze", "_fc")
        self.refuses(2, "for a network", "inspect", RUN, "--trainable", "all")
        self.refuses(2, "for a network", "inspect", RUN, "--plan")
        self.refuses(2, "needs --plan", "inspect", "efficientnet_lite0", "--time")
        self.refuses(2, "missing", "inspect")

    def test_a_file_of_that_name_comes_first(self):
        with open("efficientnet_lite0", "wb") as stream:
            stream.write(b"no checkpoint")
        self.refuses(1, "efficientnet_lite0", "inspect", "efficientnet_lite0")


if __name__ == "__main__":
    unittest.main()
