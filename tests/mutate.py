#!/usr/bin/env python3
"""Breaks the library in one place at a time and shows which test notices.

Usage: tests/mutate.py [--check] [--only TEXT] [--test NAME] [--jobs N]
                       [--build DIR]

Reads tests/mutations/*.txt: blocks of

  lib/mmu/mmu.cc
  # what is broken
  <<<
  the text as it is, in the file exactly once
  ===
  the text as it is not to be
  >>>

apart by lines of "---". A block whose comment begins with "# equivalent:" is
expected to survive, and says why.

Copies the tree to DIR/source (default build/mutate), builds the tests there,
and for each block: changes the copy, builds, and runs the tests nearest to the
file first until one fails. Prints a Markdown table; exits 1 if a mutation
survives that is not equivalent, or does not build. --only takes the blocks
whose path or comment has TEXT in it, --test runs no suite (of ctest) but NAME.
--check only
tells whether each block still fits; tests/run.sh does that. Takes half an hour
on two cores.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"(?P<path>\S+)\n# (?P<what>[^\n]+)\n<<<\n(?P<old>.*?)\n===\n"
    r"(?P<new>.*?)>>>\n?",
    re.DOTALL,
)
# The layers whose tests see a fault of the layer, nearest first. Replays and
# properties come last: they take longer.
NEAREST = {
    "machine": ["machine", "mmu", "xen", "guest"],
    "mmu": ["mmu", "xen", "guest"],
    "xen": ["xen", "policy", "guest"],
    "policy": ["policy", "guest", "xen"],
    "guest": ["guest", "sim"],
    "testing": ["testing"],
}
SLOW = ["mmu_walk_oracle", "mmu_golden_walk", "mmu_staleness",
        "guest_golden_xen_pv", "guest_write_logging", "guest_translated_hostile",
        "guest_migration", "guest_conformance", "guest_safety"]
TEST_SECONDS = 300


class Mutation:
    def __init__(self, match, source):
        self.path = match["path"]
        self.what = match["what"]
        self.old = match["old"]
        self.new = match["new"].removesuffix("\n")
        self.source = source

    @property
    def equivalent(self):
        return self.what.startswith("equivalent:")

    def problem(self):
        """Why the block does not fit the tree; "" if it does."""
        file = TOP / self.path
        if not file.is_file():
            return "no such file"
        found = file.read_text(encoding="utf-8").count(self.old)
        return "" if found == 1 else f"found {found} times"

    def broken(self, text):
        return text.replace(self.old, self.new)


def read_mutations():
    mutations = []
    for source in sorted((TOP / "tests/mutations").glob("*.txt")):
        for block in source.read_text(encoding="utf-8").split("---\n"):
            match = BLOCK.fullmatch(block.strip("\n") + "\n")
            if not match:
                sys.exit(f"{source}: not a block:\n{block}")
            mutations.append(Mutation(match, source))
    return mutations


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)


def copy_tree(tree):
    """A fresh copy of the files that git knows, without touching equal ones."""
    names = run(["git", "ls-files"], cwd=TOP, check=True).stdout.split("\n")
    for name in filter(None, names):
        source, target = TOP / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)
            shutil.copymode(source, target)


class Bench:
    """A copy of the tree, its build, and the tests that it has."""

    def __init__(self, build, jobs, test):
        self.tree = build / "source"
        self.build = build / "build"
        self.jobs = str(jobs)
        copy_tree(self.tree)
        run(["cmake", "-S", self.tree, "-B", self.build, "-G", "Ninja",
             "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1",
             "-DXMMU_BUILD_BENCH=OFF", "-DXMMU_BUILD_EXAMPLES=OFF"],
            check=True)
        # By name, what ctest runs of each suite and with which environment.
        self.suites = {}
        listed = run(["ctest", "--test-dir", self.build, "--show-only=json-v1"],
                     check=True).stdout
        for entry in json.loads(listed)["tests"]:
            binary = pathlib.Path(entry["command"][0])
            layer = binary.name.removesuffix("_test").removesuffix("_trace")
            if layer in NEAREST and test in ("", entry["name"]):
                settings = {p["name"]: p["value"] for p in entry["properties"]}
                environment = dict(
                    line.split("=", 1) for line in settings["ENVIRONMENT"])
                self.suites[entry["name"]] = (entry["command"], environment)

    @property
    def binaries(self):
        return sorted({pathlib.Path(command[0]).name
                       for command, _ in self.suites.values()})

    def make(self, targets):
        """"" or what the compiler says."""
        result = run(["ninja", "-C", self.build, "-j", self.jobs] + targets)
        return "" if result.returncode == 0 else result.stdout

    def order(self, layer):
        layers = NEAREST.get(layer, [layer, "sim"])
        def rank(name):
            suite, of = name.split(".")[0], name.split("_")[0]
            near = layers.index(of) if of in layers else len(layers)
            slow = SLOW.index(suite) + 1 if suite in SLOW else 0
            return (slow, near, name)
        return sorted(self.suites, key=rank)

    def first_failure(self, layer):
        """The name of the first test that fails; "" if none does."""
        for name in self.order(layer):
            command, environment = self.suites[name]
            binary = pathlib.Path(command[0]).name
            if self.make([binary]):
                return "does not build"
            try:
                result = run(command + ["--gtest_fail_fast"],
                             env={**os.environ, **environment},
                             cwd=self.tree, timeout=TEST_SECONDS)
            except subprocess.TimeoutExpired:
                return f"{name} (does not end)"
            if result.returncode != 0:
                failed = re.search(r"\[  FAILED  \] ([\w./]+)", result.stdout)
                if failed:
                    return f"{binary}: {failed[1]}"
                return f"{name} (stops)"
        return ""


def attempt(bench, mutation):
    """What becomes of one mutation."""
    file = bench.tree / mutation.path
    text = file.read_text(encoding="utf-8")
    file.write_text(mutation.broken(text), encoding="utf-8")
    try:
        layer = mutation.path.split("/")[1]
        if mutation.path.startswith("include/"):
            layer = mutation.path.split("/")[2]
        return bench.first_failure(layer) or "survives"
    finally:
        file.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--test", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--build", type=pathlib.Path,
                        default=TOP / "build/mutate")
    options = parser.parse_args()
    mutations = [m for m in read_mutations()
                 if options.only in f"{m.path} {m.what}"]
    bad = [m for m in mutations if m.problem()]
    for mutation in bad:
        print(f"{mutation.source.name}: {mutation.path}: {mutation.what}: "
              f"{mutation.problem()}")
    if options.check or bad:
        print(f"{len(mutations)} mutations, {len(bad)} do not fit")
        return 1 if bad else 0

    bench = Bench(options.build, options.jobs, options.test)
    complaint = bench.make(bench.binaries) or bench.first_failure("mmu")
    if complaint:
        sys.exit(f"the tests do not pass as they are: {complaint}")
    failures = 0
    print("| file | broken | noticed by |\n|---|---|---|", flush=True)
    for mutation in mutations:
        outcome = attempt(bench, mutation)
        expected = mutation.equivalent == (outcome == "survives")
        if not expected or outcome == "does not build":
            failures += 1
            outcome = f"**{outcome}**"
        print(f"| `{mutation.path}` | {mutation.what} | {outcome} |",
              flush=True)
    print(f"\n{len(mutations)} mutations, {failures} not as expected")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
