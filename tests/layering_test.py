"""Folders are layers: an include or a CMake DEPS may not point up.

Usage: layering_test.py <source tree>

Checks every `#include "xmmu/<layer>/..."` and private `"<layer>/..."` of the
files in include/xmmu/<layer>/, lib/<layer>/ and tests/<layer>/, and every
xmmu_<layer> in their CMakeLists.txt. Prints file:line of each arrow that points
up and exits 1. Before that it checks itself on a small tree that has them.
"""

import pathlib
import re
import sys
import tempfile

LAYERS = ["base", "machine", "mmu", "xen", "policy", "guest", "sim", "testing"]
RANK = {layer: rank for rank, layer in enumerate(LAYERS)}
NAMES = "|".join(LAYERS)

INCLUDE = re.compile(rf'^\s*#\s*include\s*[<"](?:xmmu/)?({NAMES})/')
ANY_XMMU_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]xmmu/([^/">]+)')
# A layer may have a part of its own, such as xmmu_guest_trace.
CMAKE_DEP = re.compile(rf"\bxmmu(?:_|::)({NAMES})(?=_trace\b|(?![\w-]))")
# xmmu::xmmu stands for sim and all below it.
CMAKE_ALL = re.compile(r"\bxmmu::xmmu\b")


def arrows(path):
    """Yields (line number, layer named) for one source or CMake file."""
    cmake = path.name == "CMakeLists.txt"
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if cmake:
            line = line.split("#")[0]
            for match in CMAKE_DEP.finditer(line):
                yield number, match.group(1)
            if CMAKE_ALL.search(line):
                yield number, "sim"
        elif match := INCLUDE.match(line):
            yield number, match.group(1)
        elif match := ANY_XMMU_INCLUDE.match(line):
            yield number, match.group(1)  # Not a layer: see violations().


def violations(tree):
    """Returns (files read, messages)."""
    files = 0
    found = []
    for top in ("include/xmmu", "lib", "tests"):
        for layer in LAYERS:
            for path in sorted((tree / top / layer).rglob("*")):
                if path.suffix not in (".h", ".cc", ".inc") and (
                    path.name != "CMakeLists.txt"
                ):
                    continue
                files += 1
                for number, target in arrows(path):
                    where = f"{path.relative_to(tree)}:{number}"
                    if target not in RANK:
                        found.append(f"{where}: no layer '{target}'")
                    elif RANK[target] > RANK[layer]:
                        found.append(
                            f"{where}: {layer} may not use {target}"
                        )
    return files, found


def self_test():
    """The check must find arrows up of each kind, and nothing else."""
    lines = {
        "include/xmmu/mmu/a.h": '#include "xmmu/xen/b.h"\n',
        "include/xmmu/xen/b.h": '#include "xmmu/mmu/a.h"\n',
        "lib/base/c.cc": '#include <vector>\n\n#include "machine/d.h"\n',
        "lib/policy/e.cc": '#include "policy/f.h"\n#include "xen/g.h"\n',
        "lib/machine/CMakeLists.txt":
            "# uses xmmu_sim\nxmmu_layer(machine SOURCES a.cc\n"
            "  DEPS xmmu_base xmmu::policy\n  xmmu_guest_trace)\n",
        "tests/guest/h_test.cc": '#  include "xmmu/testing/i.h"\n',
        "tests/guest/CMakeLists.txt": "xmmu_test(t DEPS xmmu::xmmu)\n",
        "tests/sim/j_test.cc": '#include "xmmu/nowhere/k.h"\n',
        "tests/sim/CMakeLists.txt": "xmmu_test(t DEPS xmmu::xmmu)\n",
    }
    expected = [
        "include/xmmu/mmu/a.h:1: mmu may not use xen",
        "lib/base/c.cc:3: base may not use machine",
        "lib/machine/CMakeLists.txt:3: machine may not use policy",
        "lib/machine/CMakeLists.txt:4: machine may not use guest",
        "tests/guest/CMakeLists.txt:1: guest may not use sim",
        "tests/guest/h_test.cc:1: guest may not use testing",
        "tests/sim/j_test.cc:1: no layer 'nowhere'",
    ]
    with tempfile.TemporaryDirectory() as name:
        tree = pathlib.Path(name)
        for path, text in lines.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text, encoding="utf-8")
        files, found = violations(tree)
    if files != len(lines) or found != expected:
        sys.exit(f"self-test: expected {expected}, found {found}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    self_test()
    files, found = violations(pathlib.Path(sys.argv[1]))
    if files == 0:
        sys.exit(f"no sources below {sys.argv[1]}")
    for message in found:
        print(message)
    print(f"{files} files, {len(found)} arrows up")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
