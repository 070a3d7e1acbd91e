"""make bench's own parts: sides take turns, rows begin with graft, the table says what was measured."""
import contextlib
import io
import json
import os
import sys
import unittest

from command import SOURCE, CommandTest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SOURCE, "bench"))

import rows
import sample
import table

WORKER = "import sys\nprint('ready %s', flush=True)\nfor line in sys.stdin:\n    open('turns', 'a').write('%s')\n" \
         "    print(%s, flush=True)\n"


def worker(letter, seconds):
    return sample.Loop([sys.executable, "-c", WORKER % ("way " + letter, letter, seconds)])


def interleaved(*arguments):
    with contextlib.redirect_stdout(io.StringIO()):
        sample.interleaved(*arguments)


class Samples(CommandTest):
    def test_sides_take_turns(self):
        sides = {"a": worker("a", .5), "b": worker("b", .25)}
        interleaved(sides, 3, 1, 100)
        with open("turns", encoding="ascii") as stream:
            self.assertEqual(stream.read(), "ab" + "ab" * 3)
        found = sides["b"].summary()
        self.assertEqual((found["median"], found["samples"], found["settings"]), (.25, 3, "way b"))
        self.assertGreater(found["anonymous"], 100000)

    def test_a_slow_side_is_passed_over(self):
        sides = {"a": worker("a", 1), "b": worker("b", 40)}
        interleaved(sides, 5, 1, 60)
        self.assertEqual([len(side.seconds) for side in sides.values()], [5, 2])

    def test_a_whole_process(self):
        sides = {"a": sample.Whole(["sh", "-c", "echo run >>runs"])}
        interleaved(sides, 2, 1, 100)
        with open("runs", encoding="ascii") as stream:
            self.assertEqual(stream.read(), "run\n" * 3)
        self.assertEqual(sides["a"].summary()["samples"], 2)

    def test_a_failure_says_whose_and_why(self):
        for side in (sample.Loop(["sh", "-c", "echo no luck >&2; exit 1"]),
                     sample.Whole(["sh", "-c", "echo no luck >&2; exit 1"])):
            with self.assertRaises(SystemExit) as caught:
                interleaved({"a": side}, 1, 1, 100)
            self.assertIn("no luck", str(caught.exception))
            self.assertIn("sh -c", str(caught.exception))


class Pretended(rows.Place):
    """Nothing is made, every peer is there."""

    def __init__(self):
        self.given = type("Given", (), {"build": "build", "threads": 2, "pictures": None})
        self.present, self.threads, self.work = rows.peers.ALL, 2, "work"
        self.graft = self.side = "graft"

    def made(self, name, make):
        for part in ("train/one", "val/one"):
            os.makedirs(os.path.join(name, part), exist_ok=True)
            with open(os.path.join(name, part, "1.jpg"), "wb"):
                pass
        return name

    def knows(self, option):
        return True

    def takes_bf16(self, network):
        return network != "mobilenet_v2"


class Rows(CommandTest):
    def test_every_row_begins_with_graft(self):
        place = Pretended()
        for name, row in rows.ROWS.items():
            if row.part_of:
                self.assertIn(row.part_of[1], rows.ROWS[row.part_of[0]].sides(place))
                continue
            sides = row.sides(place)
            if isinstance(sides, str):
                self.assertEqual((name, sides), ("mobilenet_v2-bf16", "f32 is as fast here"))
                continue
            if name.endswith("-bf16"):
                self.assertIn("bf16", sides["graft"].command)
            self.assertEqual(list(sides)[0], "graft", name)
            for one in sides.values():
                if one.command[:2] == ["graft", "step"]:
                    self.assertEqual(len(one.command), 6, name)  # with what trains
            others = [side for side in list(sides)[1:] if row.against in side]
            self.assertTrue(others, name)


def side(median, **more):
    return {"median": median, "least": median * .9, "most": median * 1.1, "samples": 5, **more}


class Table(CommandTest):
    ROW = {"work": "a pass", "aim": "2x", "threads": 2, "against": "PyTorch, tuned", "ratio": 3.0, "spread": .2,
           "unsteady": .01, "sides": {"graft": side(.1, anonymous=5e6, mapped=1e6), "PyTorch, tuned": side(.3),
                                      "OpenVINO": side(.05)}}

    def test_a_row_that_loses_stays(self):
        line = table.line(self.ROW)
        for words in ("| a pass | 100 ms |", "OpenVINO 50 ms (0.50x)<br>PyTorch, tuned 300 ms (3.00x)", "| 3.00x | 2x |",
                      "20 %, 1 %", "5 + 1"):
            self.assertIn(words, line)
        self.assertIn("| f32 is as fast here |",
                      table.line({"work": "in bf16", "aim": "1x", "without": "f32 is as fast here"}))

    def test_a_table_a_machine_and_the_words_around_them(self):
        with open("page.md", "w", encoding="utf-8") as stream:
            stream.write("before\n%s\nold\n%s\nafter\n" % (table.BEGIN, table.END))
        os.mkdir("results")
        with open("results/choices.json", "w", encoding="utf-8") as stream:
            json.dump({"cells": []}, stream)
        for name in "P", "Q":
            result = {"machine": {"processor": name, "cores": 2, "memory": 4e9, "instructions": ["avx2"]}, "peers": {},
                      "roofline": {"threads": 2, "vectors": "AVX2", "multiply_adds": 1e11, "bytes": 1e10},
                      "rows": {"vgg16-features": self.ROW}}
            with open("results/%s.json" % name, "w", encoding="utf-8") as stream:
                json.dump(result, stream)
        table.fill("page.md", "results")
        with open("page.md", encoding="utf-8") as stream:
            text = stream.read()
        self.assertTrue(text.startswith("before\n") and text.endswith("\nafter\n"))
        self.assertNotIn("old", text)
        self.assertEqual(text.count("| a pass |"), 2)
        self.assertEqual(text.count("1.23 s directly"), 2)
        self.assertLess(text.index("### P"), text.index("### Q"))

    def test_the_page_has_a_place_for_it(self):
        with open(os.path.join(SOURCE, "docs", "performance.md"), encoding="utf-8") as stream:
            text = stream.read()
        self.assertLess(text.index(table.BEGIN), text.index(table.END))


if __name__ == "__main__":
    unittest.main()
