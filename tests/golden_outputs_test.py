#!/usr/bin/env python3
"""Each output of the programs is, byte for byte, the golden one.

tests/golden/outputs/commands.txt lists commands and the file beside it that
holds what each prints. A command runs in a shell at the top of the source
tree, the programs of the build first on its path, and must end with 0 and say
nothing on standard error. The commands of errors.txt are the exception: all
of them are refused, and that file holds each with its status and message.

An output of more than 32 KiB is kept as every n-th of its lines, about 8 KiB
of it, and a last line with the SHA-256 of the whole. Each flag that a program's --help names
must be in some command, and each golden file must have one.

Usage: golden_outputs_test.py PROGRAMS_DIRECTORY [--fix]
--fix writes the golden files anew.
"""

import difflib
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden/outputs"
ERRORS = "errors.txt"
LARGEST = 32 << 10
SAMPLED = 8 << 10  # bytes of a larger one, about
DIFFERENCES = 12  # lines of a difference that are shown
LONGEST = 160  # characters of such a line


def read_commands():
    """A list of (name of the golden file, command)."""
    commands = []
    for line in (GOLDEN / "commands.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            commands.append(tuple(line.split(maxsplit=1)))
    names = [name for name, _ in commands if name != ERRORS]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        sys.exit(f"commands.txt: two commands for {', '.join(twice)}")
    return commands


def run(command, programs, scratch):
    environment = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}",
                       inputs=str((GOLDEN / "inputs").relative_to(ROOT)),
                       scratch=scratch)
    return subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT,
                          env=environment, capture_output=True)


def kept(output):
    """What a golden file holds of `output`."""
    if len(output) <= LARGEST:
        return output
    lines = output.splitlines(keepends=True)
    step = len(output) // SAMPLED
    digest = hashlib.sha256(output).hexdigest()
    note = f"every {step}th of {len(lines)} lines; SHA-256 of all: {digest}\n"
    return b"".join(lines[::step]) + note.encode()


def error_entry(command, result):
    """The paragraph of errors.txt on a command that is refused."""
    return (f"$ {command}\n".encode() + result.stderr + result.stdout +
            f"status {result.returncode}\n\n".encode())


def outputs_of(commands, programs):
    """The bytes that each golden file should hold, and what went wrong."""
    outputs = {}
    wrong = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, command in commands:
            result = run(command, programs, scratch)
            if name == ERRORS:
                outputs[name] = (outputs.get(name, b"") +
                                 error_entry(command, result))
                continue
            if result.returncode != 0 or result.stderr:
                wrong.append(f"{command}: ended with {result.returncode}: "
                             f"{result.stderr.decode(errors='replace')}")
            outputs[name] = kept(result.stdout)
    return outputs, wrong


def first_difference(golden, printed):
    """Where two texts part, with a little of each: lines of CSV are long."""
    same = len(os.path.commonprefix([golden, printed]))
    line = golden.count("\n", 0, same) + 1
    start = max(golden.rfind("\n", 0, same) + 1, same - 30)
    return (f"first in line {line}: golden {golden[start:same + 30]!r}, "
            f"printed {printed[start:same + 30]!r}")


def difference(name, golden, printed):
    golden, printed = (text.decode(errors="backslashreplace")
                       for text in (golden, printed))
    diff = list(difflib.unified_diff(golden.splitlines(), printed.splitlines(),
                                     f"golden/outputs/{name}", "printed", n=1,
                                     lineterm=""))
    shown = [line if len(line) <= LONGEST else line[:LONGEST] + "..."
             for line in diff[:DIFFERENCES]]
    if len(diff) > DIFFERENCES:
        shown.append(f"... {len(diff) - DIFFERENCES} lines more")
    return "\n".join(shown + [first_difference(golden, printed)])


# Every command has them, and tests/cli/ looks after them.
EVERYWHERE = {"--config", "--help", "--legend", "--output", "--report"}


def unused_flags(commands, programs):
    """Flags that --help of a program names and that no command has."""
    used = {}  # by program: the first words of its commands
    for _, command in commands:
        for part in re.split(r"&&|\|", command):
            program = re.match(r"\s*(xmmu(?:-[a-z]+)*(?: [a-z]+(?= |$))?)",
                               part)
            if program:
                flags = re.findall(r"--[a-z][a-z-]*", part)
                used.setdefault(program[1], set()).update(flags)
    missing = []
    for program, flags in used.items():
        text = run(f"{program} --help", programs, "").stdout.decode()
        named = re.findall(r"^ +(?:-\w, ?)?(--[a-z][a-z-]*)", text, re.M)
        if not named:
            missing.append(f"{program} --help names no flags")
        missing += [f"{program} {flag}: in no command of commands.txt"
                    for flag in named if flag not in flags | EVERYWHERE]
    return missing


def golden_files():
    return [path for path in sorted(GOLDEN.iterdir())
            if path.is_file() and path.name != "commands.txt"]


def fix(outputs):
    for path in golden_files():
        if path.name not in outputs:
            path.unlink()
    for name, output in outputs.items():
        (GOLDEN / name).write_bytes(output)


def main():
    programs = pathlib.Path(sys.argv[1]).resolve()
    commands = read_commands()
    outputs, wrong = outputs_of(commands, programs)
    wrong += unused_flags(commands, programs)
    golden = {path.name: path.read_bytes() for path in golden_files()}
    differ = [name for name, output in outputs.items()
              if golden.get(name) != output]
    if "--fix" in sys.argv[2:]:
        fix(outputs)
        print(f"{len(outputs)} golden outputs, {len(differ)} written anew")
    else:
        wrong += [difference(name, golden.get(name, b""), outputs[name])
                  for name in differ]
        wrong += [f"golden/outputs/{name}: no command writes it"
                  for name in golden if name not in outputs]
        print(f"{len(outputs)} golden outputs, {len(differ)} differ")
    if wrong:
        sys.exit("\n".join(wrong))


main()
