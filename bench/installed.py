"""Size of what is installed beyond a bare Debian: graft with its libraries, and PyTorch with its own.

A package counts with everything it depends on, as dpkg says (Installed-Size), less what the required packages of
every Debian bring already."""
import os
import re
import subprocess
import sys
import tempfile


def said(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Packages:
    """What is installed: sizes in bytes, dependencies, and which package stands for a virtual one."""

    def __init__(self):
        form = "${Package}\t${Installed-Size}\t${Priority}\t${Pre-Depends}, ${Depends}\t${Provides}\t${Status}\n"
        self.size, self.needs, self.provider, self.required = {}, {}, {}, []
        for line in said("dpkg-query", "-W", "-f", form).splitlines():
            name, size, priority, needs, provides, status = line.split("\t")
            if not status.endswith(" installed"):
                continue
            self.size[name], self.needs[name] = int(size) * 1024, self.alternatives(needs)
            self.provider[name] = name
            for group in self.alternatives(provides):
                self.provider.setdefault(group[0], name)
            if priority == "required":
                self.required.append(name)

    @staticmethod
    def alternatives(text):
        """"a (>= 1) | b, c:any" as [["a", "b"], ["c"]]."""
        groups = [[re.split(r"[ (:]", word.strip())[0] for word in group.split("|")] for group in text.split(",")]
        return [group for group in groups if group[0]]

    def closure(self, names):
        found, left = set(), list(names)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                for group in self.needs[name]:
                    left += [self.provider[word] for word in group if word in self.provider][:1]
        return found

    def beyond_bare(self, names):
        return sorted(self.closure(names) - self.closure(self.required), key=lambda name: -self.size[name])


def libraries(program):
    """The packages whose libraries a program is linked with."""
    paths = re.findall(r"=> (/\S+)", said("ldd", program))
    packages = set()
    for path in paths:
        for candidate in (path, os.path.realpath(path), re.sub("^/lib", "/usr/lib", path), re.sub("^/usr", "", path)):
            owner = subprocess.run(["dpkg-query", "-S", candidate], capture_output=True, text=True).stdout
            if owner:
                packages.add(owner.split(":")[0])
                break
    return sorted(packages)


def tree_size(folder):
    """Bytes on disk, a file with several names once."""
    seen = {}
    for root, folders, files in os.walk(folder):
        for name in folders + files:
            about = os.lstat(os.path.join(root, name))
            seen[about.st_ino] = about.st_blocks * 512
    return sum(seen.values())


def sizes(build):
    """{side: bytes, those of its own tree, and its packages}."""
    packages = Packages()
    with tempfile.TemporaryDirectory() as prefix:
        said("cmake", "--install", build, "--prefix", prefix)
        own = tree_size(prefix)
        below_graft = packages.beyond_bare(libraries(os.path.join(prefix, "bin", "graft")))
    below_torch = packages.beyond_bare(["python3-torch", "python3-torchvision", "libopenblas0-openmp"])
    sides = {"graft": (own, below_graft), "PyTorch": (0, below_torch)}
    return {side: {"bytes": extra + sum(packages.size[name] for name in names), "own tree": extra,
                   "packages": {name: packages.size[name] for name in names}}
            for side, (extra, names) in sides.items()}


if __name__ == "__main__":
    for name, row in sizes(sys.argv[1] if len(sys.argv) > 1 else "build").items():
        print("%-8s %7.1f MB beyond a bare Debian: %.1f MB of its own and %d packages" %
              (name, row["bytes"] / 1e6, row["own tree"] / 1e6, len(row["packages"])))
