"""What the tests of Python's package share.

Each is called with the build directory, whose `python` has the package, and
whose `examples` the program. Without a package that it needs it is skipped: it
says which, and ends with 77.
"""

import csv
import io
import os
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TRACE = ROOT / "examples/traces/ls-sort.xmmu"


def build():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} <build directory> [<test>]...")
    return pathlib.Path(sys.argv[1]).resolve()


def begin(*packages):
    """Makes `import xmmu` find the package; skips all without `packages`."""
    for package in packages:
        try:
            __import__(package)
        except ImportError:
            print(f"skipped: python3-{package} is not installed for "
                  f"{sys.executable}")
            sys.exit(77)
    sys.path.insert(0, str(build() / "python"))


def main():
    """Runs the tests of the calling file from the top of the source tree."""
    os.chdir(ROOT)
    unittest.main(module="__main__", argv=[sys.argv[0]] + sys.argv[2:])


def program(*words, status=0):
    """What the program prints; its line without its name if it refuses."""
    result = subprocess.run([build() / "examples/xmmu", *words], cwd=ROOT,
                            capture_output=True, text=True, check=False)
    if result.returncode != status:
        raise AssertionError(f"{words}: status {result.returncode}, "
                             f"{result.stderr}")
    if status == 0:
        return result.stdout
    return result.stderr.rstrip("\n").split(": ", 1)[1]


def program_columns(*words):
    """The CSV that the program prints, by column."""
    lines = list(csv.reader(io.StringIO(program(*words, "--format=csv"),
                                        newline="")))
    return {name: [line[i] for line in lines[1:]]
            for i, name in enumerate(lines[0])}
