#!/usr/bin/env python3
"""Each block of the README that shows what a command prints shows that.

A fenced block is such a one if the line above it is the comment

    <!-- prints: COMMAND -->

COMMAND runs in a shell at the top of the source tree, the programs of the
build first on its path; what it prints must be the block, byte for byte.

Usage: readme_test.py PROGRAMS_DIRECTORY [--fix]
--fix writes what the commands print into the README.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- prints: ([^\n]*) -->\n```\n)(.*?)(?=^```$)",
                   re.DOTALL | re.MULTILINE)


def output_of(command, programs):
    path = f"{programs}:{os.environ['PATH']}"
    run = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT,
                         env=dict(os.environ, PATH=path), capture_output=True,
                         text=True)
    if run.returncode != 0:
        sys.exit(f"{command}: ended with {run.returncode}: {run.stderr}")
    return run.stdout


def first_difference(shown, printed):
    for want, got in zip(printed.splitlines(), shown.splitlines()):
        if want != got:
            return f"  prints: {want}\n  README: {got}"
    return "  one has more lines than the other"


def main():
    programs = pathlib.Path(sys.argv[1]).resolve()
    readme = ROOT / "README.md"
    wrong = []
    blocks = 0

    def check(match):
        nonlocal blocks
        blocks += 1
        head, command, shown = match.groups()
        printed = output_of(command, programs)
        if printed != shown:
            wrong.append(f"{command}\n{first_difference(shown, printed)}")
        return head + printed

    text = readme.read_text()
    fixed = BLOCK.sub(check, text)
    if blocks == 0 or blocks != text.count("<!-- prints:"):
        sys.exit(f"{blocks} blocks, but {text.count('<!-- prints:')} comments")
    if "--fix" in sys.argv[2:]:
        readme.write_text(fixed)
        print(f"{blocks} blocks, {len(wrong)} written anew")
        return
    print(f"{blocks} blocks, {len(wrong)} differ from what is printed")
    if wrong:
        sys.exit("\n".join(wrong))


main()
