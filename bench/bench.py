"""How fast graft is beside others: fills bench/results/MACHINE.json and its table in docs/performance.md, row by row.

The sides of a row take turns (A B A B), a probe of the machine's speed around each sample. Rows that are named are
measured and take the place of what was there; the others stay as they were. See README.md. Run it on an idle machine."""
import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import tempfile

import installed
import machine
import peers
import rows
import sample
import table

HERE = os.path.dirname(os.path.abspath(__file__))
MOST_SECONDS = 60.0  # of samples a side; a slower one is sampled less often


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="all where none is named: " + ", ".join(rows.ROWS))
    parser.add_argument("--peers", default="", help="of " + ", ".join(peers.ALL) + "; those that are installed")
    parser.add_argument("--pictures", metavar="DIR", help="train/ and val/ with class folders; else pictures are made")
    parser.add_argument("--build", metavar="DIR", default="build")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", metavar="DIR", default=os.path.join(HERE, "results"))
    parser.add_argument("--table", metavar="FILE", default=os.path.join(HERE, "..", "docs", "performance.md"))
    given = parser.parse_args()
    given.peers = re.split(r"[ ,]+", given.peers.strip(" ,")) if given.peers.strip(" ,") else peers.ALL
    if unknown := set(given.rows) - set(rows.ROWS):
        parser.error("no such row: " + ", ".join(sorted(unknown)))
    if unknown := set(given.peers) - set(peers.ALL):
        parser.error("no such peer: " + ", ".join(sorted(unknown)))
    return given


def roofline(given):
    said = subprocess.run([os.path.join(given.build, "bench", "roofline"), str(given.threads)], check=True,
                          capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS=str(given.threads)))
    return json.loads(said.stdout)


def fastest(sides, against):
    names = [name for name in list(sides)[1:] if against in name]
    return min(names, key=lambda name: sides[name]["median"], default=None)


def spread(side):
    return (side["most"] - side["least"]) / side["median"]


def measure(name, place, given, result):
    row = rows.ROWS[name]
    entry = {"work": row.title, "aim": row.aim, "threads": given.threads,
             "when": datetime.date.today().isoformat()}
    if row.part_of:
        return dict(entry, **part(result, row))
    sides = row.sides(place)
    if isinstance(sides, str):
        return dict(entry, without=sides)
    sample.interleaved(sides, given.rounds, given.threads, MOST_SECONDS)
    found = {side: of_side.summary() for side, of_side in sides.items()}
    entry.update(compared(found, row), unsteady=sample.unsteadiness(sides))
    if name == "predict":
        entry["installed"] = installed.sizes(given.build)
    return entry


def part(result, row):
    """A row that was measured in another one's turns, as another side of graft's."""
    whole, own = row.part_of
    sides = result["rows"].get(whole, {}).get("sides", {})
    if own not in sides:
        return {"without": "not measured with the row %s" % whole}
    found = {"graft": sides[own], **{name: side for name, side in sides.items() if not name.startswith("graft")}}
    return dict(compared(found, row), unsteady=result["rows"][whole]["unsteady"])


def compared(found, row):
    best = fastest(found, row.against)
    widest = max(spread(found[name]) for name in ("graft", best) if name)
    return {"sides": found, "against": best, "spread": widest,
            "ratio": found[best]["median"] / found["graft"]["median"] if best else None}


def main():
    given = arguments()
    os.makedirs(given.results, exist_ok=True)
    path = os.path.join(given.results, machine.name() + ".json")
    result = {"rows": {}}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as stream:
            result = json.load(stream)
    present = peers.present(given.peers)
    print("beside: " + (", ".join(present) or "nobody"), flush=True)
    place = rows.Place(given, present)
    result["machine"] = machine.of_machine()
    result.setdefault("peers", {}).update({peer: peers.about(peer, given.threads) for peer in present})
    result["peers"]["graft"] = machine.of_graft(place.graft, given.threads)
    for name in given.rows or rows.ROWS:
        print("%s: %s" % (name, rows.ROWS[name].title), flush=True)
        result["roofline"] = roofline(given)
        result["rows"][name] = measure(name, place, given, result)
        result["rows"] = {row: result["rows"][row] for row in rows.ROWS if row in result["rows"]}
        write(path, json.dumps(result, indent=1) + "\n")
        print("    " + table.sentence(result["rows"][name]), flush=True)
    table.fill(given.table, given.results)


def write(path, text):
    """Whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), delete=False, encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(stream.name, 0o644)
    shutil.move(stream.name, path)


main()
