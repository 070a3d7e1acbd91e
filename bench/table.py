"""The tables in docs/performance.md, one a machine, out of results/: between two marks, so that the words around them
stay."""
import glob
import json
import os
import re

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
VGG16_MACS, VGG16_FIRST = 15.346e9, 86.7e6  # of the features of one picture; of its first convolution
WINOGRAD = 4                                # as many times fewer multiplications: F(4x4, 3x3)


def time_of(seconds):
    return "%.3g s" % seconds if seconds >= 1 else "%.3g ms" % (seconds * 1e3) if seconds >= 1e-3 else \
        "%.3g us" % (seconds * 1e6)


def size_of(side):
    if "anonymous" not in side:
        return ""
    return "%.0f + %.0f" % (side["anonymous"] / 1e6, side["mapped"] / 1e6)


def sentence(row):
    if "without" in row:
        return row["without"]
    graft = row["sides"]["graft"]
    if not row["against"]:
        return "graft %s, nobody beside it" % time_of(graft["median"])
    return "graft %s, %s %s: %.2fx" % (time_of(graft["median"]), row["against"],
                                       time_of(row["sides"][row["against"]]["median"]), row["ratio"])


def ratios(row, graft):
    """Every other side, the fastest first: a name, its time, how many times graft's."""
    others = sorted((item for item in row["sides"].items() if item[1] is not graft), key=lambda item: item[1]["median"])
    return "<br>".join("%s %s (%.2fx)" % (name, time_of(side["median"]), side["median"] / graft["median"])
                       for name, side in others)


def line(row):
    if "without" in row:
        return "| %s | | | | %s | %s | |" % (row["work"], row["without"], row["aim"])
    graft = row["sides"]["graft"]
    against = row["sides"].get(row["against"], {})
    return "| %s | %s | %s | %s | %s | %s | %s |" % (
        row["work"], time_of(graft["median"]), ratios(row, graft),
        "%.2fx" % row["ratio"] if row["ratio"] else "", row["aim"],
        "%.0f %%, %.0f %%" % (100 * row["spread"], 100 * row["unsteady"]),
        " : ".join(filter(None, [size_of(graft), size_of(against)])))


def about(result):
    machine, peers = result["machine"], result["peers"]
    lines = ["### %s" % machine["processor"], "", "%d cores, %.0f GB, %s." % (
        machine["cores"], machine["memory"] / 1e9, ", ".join(machine["instructions"]))]
    for name, said in peers.items():
        words = ", ".join("%s %s" % (key, " ".join(map(str, value)) if isinstance(value, list) else value)
                          for key, value in said.items() if key not in ("processor", "environment") and value)
        lines.append("- %s: %s" % (name, words))
    return lines


def floor(result):
    """How far the VGG16 backbone is from what the processor could do at most."""
    lines, roof = [], result.get("roofline")
    if not roof:
        return lines
    lines.append("This machine does %.0f billion multiply-adds a second in %s registers on %d threads, and moves %.1f GB "
                 "a second from memory." % (roof["multiply_adds"] / 1e9, roof["vectors"], roof["threads"],
                                            roof["bytes"] / 1e9))
    row = result["rows"].get("vgg16-features")
    if row and "sides" in row:
        seconds = row["sides"]["graft"]["median"]
        direct = 8 * VGG16_MACS / roof["multiply_adds"]
        winograd = 8 * (VGG16_FIRST + (VGG16_MACS - VGG16_FIRST) / WINOGRAD) / roof["multiply_adds"]
        lines.append("The VGG16 backbone at batch 8 takes graft %s; at that rate its %.0f billion multiply-adds would take "
                     "%s directly and %s by Winograd's F(4x4, 3x3): %.0f %% and %.0f %% of the time." % (
                         time_of(seconds), 8 * VGG16_MACS / 1e9, time_of(direct), time_of(winograd),
                         100 * direct / seconds, 100 * winograd / seconds))
    return lines


def markdown(result):
    lines = about(result)
    lines += ["", "| work | graft | the others (times graft's) | ratio | aim | spread, probe | memory, graft : the ratio's "
              "other side, MB anonymous + mapped |", "|-|-|-|-|-|-|-|"]
    lines += [line(row) for row in result["rows"].values()]
    installed = result["rows"].get("predict", {}).get("installed")
    if installed:
        lines += ["", "Installed beyond a bare Debian: graft %.0f MB, Debian's PyTorch %.0f MB." % (
            installed["graft"]["bytes"] / 1e6, installed["PyTorch"]["bytes"] / 1e6)]
    return "\n".join(lines + [""] + floor(result))


def of_machines(folder):
    """What is in results/ of this program's (others keep theirs there too), by file name."""
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        with open(path, encoding="utf-8") as stream:
            result = json.load(stream)
        if "machine" in result and "rows" in result:
            yield result


def fill(path, folder):
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    tables = "\n\n".join(markdown(result) for result in of_machines(folder))
    text = re.sub(re.escape(BEGIN) + ".*" + re.escape(END),
                  lambda _: "%s\n%s\n%s" % (BEGIN, tables, END), text, flags=re.S)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
