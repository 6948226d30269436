"""Public headers stand alone, and need nothing that is not installed.

Usage: headers_test.py <source tree> includes
       headers_test.py <source tree> alone <shard>/<shards> <compiler> [flag...]

`includes` checks that each header in include/ includes, of this project, public
headers that exist, that its comments name no file that is not there, and that
xmmu/xmmu.h includes the headers it lists first. `alone` compiles headers, every
<shards>-th of them, each by itself and twice, two at a time. Both print what is
wrong and exit 1. Before that they check themselves on a small tree with one
error of each kind.
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
LISTED = re.compile(r"^//   (xmmu/\S+\.h) ", re.MULTILINE)
UMBRELLA = "xmmu/xmmu.h"
# A file of the project, named from its top, or within include/xmmu or lib.
NAMED = re.compile(r"(?<![\w./-])((?:xmmu|lib|tests|examples|bench|base|machine|"
                   r"mmu|guest|policy|workload|sim|report|study|cli|testing)"
                   r"/[\w/]+\.(?:h|cc|py|sh|md))\b")
TO_USE = 10  # of the headers that the umbrella lists, the first


def public_headers(tree):
    """The paths that a user includes, in order."""
    include = tree / "include"
    return sorted(str(path.relative_to(include))
                  for path in include.rglob("*.h"))


def wrong_includes(tree):
    """What is wrong with what headers include and the umbrella lists."""
    headers = public_headers(tree)
    found = []
    for header in headers:
        text = (tree / "include" / header).read_text(encoding="utf-8")
        for name in INCLUDE.findall(text):
            # Quoted names of packages have a folder of their own.
            if name.startswith("xmmu/") and name not in headers:
                found.append(f"{header}: there is no public {name}")
            elif (tree / "lib" / name).exists():
                found.append(f"{header}: {name} is private")
        for name in NAMED.findall(INCLUDE.sub("", text)):
            places = [tree, tree / "include", tree / "include/xmmu",
                      tree / "lib"]
            if not any((place / name).exists() for place in places):
                found.append(f"{header}: speaks of {name}, which is not there")
    if UMBRELLA not in headers:
        return found + [f"there is no {UMBRELLA}"]
    text = (tree / "include" / UMBRELLA).read_text(encoding="utf-8")
    listed = LISTED.findall(text)
    if sorted(listed[:TO_USE]) != sorted(INCLUDE.findall(text)):
        found.append(f"{UMBRELLA}: includes others than the first {TO_USE} "
                     "that it lists")
    return found


def failing(tree, headers, compiler):
    """What the compiler says of each of `headers` that it does not take."""

    def compile_one(header):
        # Twice: it has to be guarded, too.
        source = f'#include "{header}"\n' * 2
        command = [*compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra",
                   "-Werror", "-I", str(tree / "include"), "-x", "c++", "-"]
        result = subprocess.run(command, input=source, text=True,
                                capture_output=True, check=False)
        first = [line for line in result.stderr.splitlines() if "error" in line]
        return "" if result.returncode == 0 else \
            f"{header}: {(first or [result.stderr])[0]}"

    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        return [wrong for wrong in pool.map(compile_one, headers) if wrong]


def self_test(compiler):
    """Each check must find its kind of error, and no other."""
    files = {
        "include/xmmu/right.h":
            "// As mmu/walk.h and lib/mmu/run.cc; Xen: xen/arch/x86/mm.c.\n"
            "#ifndef A\n#define A\n#include <vector>\n#include <cstdint>\n"
            "inline std::vector<int> a;\n#endif\n",
        "include/xmmu/private.h": '#include "mmu/walk.h"\n',
        "include/xmmu/nowhere.h": '#include "xmmu/gone.h"\n',
        "include/xmmu/needy.h": "inline std::vector<int> b;\n",
        "include/xmmu/unguarded.h": "struct Twice {};\n",
        "include/" + UMBRELLA:
            '//   xmmu/right.h  is.\n//   xmmu/lost.h  is not.\n'
            '#include "xmmu/right.h"\n',
        "lib/mmu/walk.h": "",
    }
    with tempfile.TemporaryDirectory() as name:
        tree = pathlib.Path(name)
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text, encoding="utf-8")
        found = wrong_includes(tree)
        expected = ["xmmu/nowhere.h: there is no public xmmu/gone.h",
                    "xmmu/private.h: mmu/walk.h is private",
                    "xmmu/right.h: speaks of lib/mmu/run.cc, which is not "
                    "there",
                    "xmmu/xmmu.h: speaks of xmmu/lost.h, which is not there",
                    "xmmu/xmmu.h: includes others than the first 10 that it "
                    "lists"]
        if found != expected:
            sys.exit(f"self-test: expected {expected}, found {found}")
        if compiler:
            headers = ["xmmu/right.h", "xmmu/needy.h", "xmmu/unguarded.h"]
            found = [wrong.split(":")[0]
                     for wrong in failing(tree, headers, compiler)]
            if found != headers[1:]:
                sys.exit(f"self-test: refuses {found}")


def main():
    if len(sys.argv) < 3 or sys.argv[2] not in ("includes", "alone"):
        sys.exit(__doc__)
    tree = pathlib.Path(sys.argv[1])
    compiler = sys.argv[4:]
    self_test(compiler)
    headers = public_headers(tree)
    if sys.argv[2] == "includes":
        found = wrong_includes(tree)
    else:
        shard, shards = map(int, sys.argv[3].split("/"))
        headers = headers[shard::shards]
        found = failing(tree, headers, compiler)
    for message in found:
        print(message)
    print(f"{len(headers)} headers, {len(found)} errors")
    sys.exit(1 if found or not headers else 0)


if __name__ == "__main__":
    main()
