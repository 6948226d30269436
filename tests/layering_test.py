"""Folders are layers and rooms: each may use what MAY_USE says, and no more.

Usage: layering_test.py <source tree>

Checks every `#include "xmmu/<room>/..."` and private `"<room>/..."` of the
files in include/xmmu/, lib/ and tests/, and every xmmu_<layer> in their
CMakeLists.txt. Prints file:line of each use that the table does not have and
exits 1. Before that it checks itself on a small tree that has one of each kind.
"""

import pathlib
import re
import sys
import tempfile

# Room: what it may use beside itself. A layer is a folder, a room one within it
# that has rules of its own; `internal` is no room, but a part of its layer.
MAY_USE = {
    "base": "",
    "machine": "base",
    "machine/file": "base machine",
    "workload": "base workload/input workload/process workload/lackey"
                " workload/linux_text workload/packed workload/qemu"
                " workload/drmemtrace workload/champsim workload/xentrace",
    "workload/champsim": "base workload workload/input workload/process",
    "workload/drmemtrace": "base workload workload/input workload/process",
    "workload/input": "base",
    "workload/inspect": "base workload",
    "workload/packed": "base workload workload/input workload/process",
    "workload/process": "base workload",
    "workload/lackey": "base workload workload/input workload/process",
    "workload/qemu": "base workload workload/input workload/process",
    "workload/linux_text": "base workload workload/input workload/process",
    "workload/xentrace": "base workload/input",
    "mmu": "base machine",
    "xen": "base machine mmu",
    "xen/direct": "base machine mmu xen xen/shadow",
    "xen/shadow": "base machine mmu xen",
    "policy": "base machine mmu xen xen/direct xen/shadow"
              " policy/direct policy/shadow",
    "policy/direct": "base machine mmu xen xen/direct policy",
    "policy/shadow": "base machine mmu xen xen/shadow policy",
    "guest": "base machine workload mmu xen policy",
    "sim": "base machine machine/file workload mmu xen policy guest",
    "report": "base machine machine/file workload workload/inspect report/page"
              " report/timeline"
              " workload/linux_text workload/xentrace mmu xen policy guest sim",
    "report/page": "base sim report",
    "report/timeline": "base sim report",
    "study": "base machine machine/file workload mmu xen policy guest sim"
             " report study/explain study/grid study/published",
    "study/explain": "base machine workload workload/inspect mmu xen policy guest"
                     " sim report study",
    "study/grid": "base machine machine/file mmu report study",
    "study/published": "base machine machine/file workload mmu xen policy guest"
                       " sim report study",
    "cli": "base machine machine/file workload workload/input workload/inspect"
           " workload/linux_text workload/qemu workload/xentrace mmu xen policy"
           " guest sim report study study/grid study/published",
    "python": "base machine workload workload/inspect workload/packed sim"
              " report cli",
    "testing": "base machine machine/file workload mmu xen policy guest sim"
               " report study testing/conformance",
    "testing/conformance": "base machine workload mmu xen xen/direct xen/shadow"
                           " policy guest testing",
}

# Tests mirror lib/ and may use what they test may; these need more.
TESTS_MAY_USE_TOO = {
    # They hold what processors see under any strategy against its own tables,
    # by the suite that is a user's as well.
    "guest": "xen/direct xen/shadow policy/shadow testing/conformance",
    # Guests on shadows are those of the same suite.
    "policy/shadow": "testing/conformance",
    # What a run was is checked in its report; what the host does for one is
    # counted in the shadows.
    "sim": "report workload/lackey workload/drmemtrace workload/inspect"
           " xen/shadow policy/shadow",
    # Streams are compared by the names of their operations.
    "workload/champsim": "workload/drmemtrace workload/inspect",
    "workload/drmemtrace": "workload/inspect",
    # Strategies on the public bases are a user's, who tests them so.
    "testing": "policy/direct policy/shadow",
}

LAYERS = sorted({room.split("/")[0] for room in MAY_USE})
# CMake links layers. xmmu::xmmu stands for study and all below it.
CMAKE_DEP = re.compile(rf"\bxmmu(?:_|::)({'|'.join(LAYERS)})(?![\w-])")
CMAKE_ALL = re.compile(r"\bxmmu::xmmu\b")
XMMU_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]xmmu/([^">]+)/[^/">]+[">]')
PRIVATE_INCLUDE = re.compile(
    rf'^\s*#\s*include\s*"((?:{"|".join(LAYERS)})(?:/[^"]+)?)/[^/"]+"')


def room_of(folder):
    """The room that `folder` is in, or the folder itself if in none."""
    parts = folder.split("/")
    for length in range(len(parts), 0, -1):
        name = "/".join(parts[:length])
        if name in MAY_USE:
            return name
    return folder


def uses(path):
    """Yields (line number, room named) for one source or CMake file."""
    cmake = path.name == "CMakeLists.txt"
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if cmake:
            line = line.split("#")[0]
            for match in CMAKE_DEP.finditer(line):
                yield number, match.group(1)
            if CMAKE_ALL.search(line):
                yield number, "study"
        elif match := XMMU_INCLUDE.match(line) or PRIVATE_INCLUDE.match(line):
            yield number, room_of(match.group(1))


def allowed(room, top, cmake):
    """The rooms that a file in `room` of the folder `top` may name."""
    may = {room, *MAY_USE[room].split()}
    if top == "tests":
        may |= set(TESTS_MAY_USE_TOO.get(room, "").split())
        # A test of one room may build its world with the others of its layer.
        layer = room.split("/")[0]
        for other in MAY_USE:
            if other.split("/")[0] == layer:
                may |= {other, *MAY_USE[other].split()}
    if cmake:
        # A layer is linked whole, for all its rooms.
        layer = room.split("/")[0]
        for other in MAY_USE:
            if other.split("/")[0] == layer:
                may |= set(MAY_USE[other].split())
        may = {name.split("/")[0] for name in may}
    return may


def violations(tree):
    """Returns (files read, messages)."""
    files = 0
    found = []
    for top in ("include/xmmu", "lib", "tests"):
        for path in sorted((tree / top).rglob("*")):
            cmake = path.name == "CMakeLists.txt"
            if path.suffix not in (".h", ".cc", ".inc") and not cmake:
                continue
            folder = str(path.parent.relative_to(tree / top))
            room = room_of(folder)
            if room not in MAY_USE:
                continue
            files += 1
            may = allowed(room, top, cmake)
            for number, target in uses(path):
                where = f"{path.relative_to(tree)}:{number}"
                if target not in MAY_USE:
                    found.append(f"{where}: no layer '{target}'")
                elif target not in may:
                    found.append(f"{where}: {room} may not use {target}")
    return files, found


def self_test():
    """The check must find each kind of use that is not allowed, and no other."""
    lines = {
        "include/xmmu/mmu/a.h": '#include "xmmu/xen/b.h"\n',
        "include/xmmu/xen/b.h": '#include "xmmu/mmu/internal/a.h"\n',
        "include/xmmu/xen/c.h": '#include "xmmu/xen/direct/d.h"\n',
        "include/xmmu/xen/direct/d.h": '#include "xmmu/xen/c.h"\n',
        "lib/base/c.cc": '#include <vector>\n\n#include "machine/d.h"\n',
        "lib/policy/direct/e.cc":
            '#include "policy/f.h"\n#include "xen/direct/g.h"\n'
            '#include "policy/shadow/h.h"\n',
        "lib/workload/w.cc": '#include "xmmu/machine/pte.h"\n',
        "lib/machine/CMakeLists.txt":
            "# uses xmmu_sim\nxmmu_layer(machine SOURCES a.cc\n"
            "  DEPS xmmu_base xmmu::policy\n  xmmu_workload)\n",
        "tests/guest/h_test.cc": '#  include "xmmu/testing/i.h"\n',
        "tests/guest/CMakeLists.txt": "xmmu_test(t DEPS xmmu::xmmu)\n",
        "tests/sim/j_test.cc":
            '#include "xmmu/nowhere/k.h"\n#include "xmmu/report/l.h"\n',
        "tests/study/CMakeLists.txt": "xmmu_test(t DEPS xmmu::xmmu)\n",
    }
    expected = [
        "include/xmmu/mmu/a.h:1: mmu may not use xen",
        "include/xmmu/xen/c.h:1: xen may not use xen/direct",
        "lib/base/c.cc:3: base may not use machine",
        "lib/machine/CMakeLists.txt:3: machine may not use policy",
        "lib/machine/CMakeLists.txt:4: machine may not use workload",
        "lib/policy/direct/e.cc:3: policy/direct may not use policy/shadow",
        "lib/workload/w.cc:1: workload may not use machine",
        "tests/guest/CMakeLists.txt:1: guest may not use study",
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
    print(f"{files} files, {len(found)} uses that are not allowed")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
