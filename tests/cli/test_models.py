"""graft models: every network, counted, with its published files."""
import json
import os
import unittest

from command import CommandTest, environment, graft


class Models(CommandTest):
    def rows(self, **changes):
        done = graft("models", "--json", env=environment(**changes))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}

    def test_rows(self):
        rows = self.rows()
        self.assertGreater(len(rows), 70)
        vgg = rows["vgg16"]
        self.assertEqual((vgg["parameters"], vgg["size"], vgg["class_layer"], vgg["head"]),
                         (138357544, 224, "classifier.6", "classifier"))
        self.assertEqual(vgg["published"][0]["file"], "vgg16-397923af.pth")
        self.assertEqual([one["name"] for one in rows["resnet50"]["published"]], ["IMAGENET1K_V2", "IMAGENET1K_V1"])
        self.assertEqual(rows["inception_v3"]["size"], 299)
        self.assertEqual(rows["efficientnet_lite1"]["published"], [])

    def test_what_lies_in_the_cache(self):
        folder = os.path.join(self.folder, "graft", "weights")
        os.makedirs(folder)
        here = lambda: self.rows(XDG_CACHE_HOME=self.folder)["resnet18"]["published"][0]["here"]
        self.assertFalse(here())
        open(os.path.join(folder, "resnet18-f37072fd.pth"), "w", encoding="utf-8").close()
        self.assertTrue(here())

    def test_table(self):
        done = graft("models")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("resnet18", done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 130)


if __name__ == "__main__":
    unittest.main()
