"""What can be wrong about a network, its head and its weights: each a sentence, before anything is trained."""
import unittest

import torch
from torchvision import models

from command import CommandTest, graft, unwrapped, write_classes

SQUEEZENET = ("--model", "squeezenet1_1", "--weights", "none")
LAYERS = "avgpool flatten linear(8) relu linear"


class Networks(CommandTest):
    def setUp(self):
        super().setUp()
        write_classes("data", count=2)

    def test_names(self):
        for slip, meant in (("vg16", "vgg16"), ("resnet-50", "resnet50"), ("inceptionv3", "inception_v3"),
                            ("mobilenet_v3_smal", "mobilenet_v3_small")):
            self.refuses(1, f"{slip}: graft knows no network of this name; did you mean {meant}?",
                         "train", "data", "--model", slip)
            self.refuses(1, f"did you mean {meant}?", "predict", "--model", slip, "data/blue/00.ppm")

    def test_layers_that_cannot_be_read(self):
        for layers, place, words in (("linear(16) rellu linear", 11, "\"rellu\" (column 12) is no layer; did you mean relu?"),
                                     ("linear(16) dropout(1.5) linear", 19, "column 20: a probability is from 0 to below 1"),
                                     ("linear relu linear", 0, "how wide is this layer?")):
            done = self.refuses(2, ("--head", words), "train", "data", *SQUEEZENET, "--head", layers)
            self.assertEqual(done.stderr.splitlines()[1:3], ["  " + layers, "  " + " " * place + "^"])

    def test_heads_that_do_not_fit(self):
        self.refuses(1, ("node classifier.0", "a flatten makes it so"), "train", "data", *SQUEEZENET,
                     "--head", "linear(8) relu linear")
        self.refuses(1, "the head ends in 8 numbers where there are 3 classes", "train", "data", *SQUEEZENET,
                     "--head", "avgpool flatten linear(8) relu")

    def test_losses_that_do_not_fit(self):
        self.refuses(2, "a --head that ends in logsoftmax", "train", "data", *SQUEEZENET, "--head", LAYERS, "--loss", "nll")
        self.refuses(1, "needs NLL", "train", "data", *SQUEEZENET, "--head", LAYERS + " logsoftmax")
        done = graft("train", "data", *SQUEEZENET, "--head", LAYERS + " logsoftmax", "--loss", "nll", "--epochs", "1")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_patterns_that_match_nothing(self):
        for option in ("--trainable", "--freeze"):
            self.refuses(1, "squeezenet1_1 has no node or module \"featurs.3\"; the nearest is features.3",
                         "train", "data", *SQUEEZENET, option, "featurs.3")

    def test_sizes_that_are_too_small(self):
        self.refuses(1, "node features.8", "train", "data", *SQUEEZENET, "--size", "16")
        self.refuses(1, "node features.30", "train", "data", "--model", "vgg16", "--weights", "none", "--size", "31")

    def test_weights_for_other_classes(self):
        torch.manual_seed(1)
        torch.save(models.squeezenet1_1(num_classes=7).state_dict(), "seven.pth")
        weights = ("--model", "squeezenet1_1", "--weights", "seven.pth")
        done = graft("train", "data", *weights, "--size", "32", "--epochs", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("weights seven.pth (its class layer is for other classes: it is replaced)", unwrapped(done.stderr))
        self.refuses(1, "classifier.1.weight (7, 512, 1, 1) where (1000, 512, 1, 1) is needed",
                     "predict", *weights, "data/blue/00.ppm")


if __name__ == "__main__":
    unittest.main()
