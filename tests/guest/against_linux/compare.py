"""Compares what Linux and a replay say of the programs of this folder.

Usage: compare.py RESULTS PROGRAMS README THP [--fix]

RESULTS has a PROGRAM.linux and a PROGRAM.replay for each program, or a
PROGRAM.skipped that says why not. Prints each figure that differs, and a table;
--fix writes the table into README. Exits with 1 if a figure differs that
differences.txt of PROGRAMS does not have, or one that it has does not.
"""

import pathlib
import platform
import re
import sys
import textwrap

FIGURES = ("faults", "anonymous", "file", "shmem", "huge", "hugetlb")
BEGIN = "<!-- written by: tests/guest/against_linux.sh -->"
END = "<!-- end -->"


def version(text):
    """(6, 18) of "6.18.44-fc", and (0, 0) of "-"."""
    numbers = re.match(r"(\d+)\.(\d+)", text)
    return tuple(map(int, numbers.groups())) if numbers else (0, 0)


def parts_of(path):
    """{(process, mark): (name, figures since the mark before)} of one output."""
    marks = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if len(words) != 3 + len(FIGURES):
            sys.exit(f"{path.name}: not a line of a mark: {line}")
        key = int(words[0]), int(words[1])
        marks[key] = words[2], list(map(int, words[3:]))
    parts = {}
    for (process, mark), (name, figures) in sorted(marks.items()):
        if mark == 0:
            continue
        before = marks.get((process, mark - 1), ("", [0] * len(FIGURES)))[1]
        parts[process, mark] = name, [
            now - then for now, then in zip(figures, before)]
    return parts


def differences_of(program, results):
    """How many figures are compared, and which differ: (process, part, figure,
    of Linux, of the replay)."""
    linux = parts_of(results / f"{program}.linux")
    replay = parts_of(results / f"{program}.replay")
    compared = 0
    found = []
    for key, (part, figures) in linux.items():
        _, others = replay.get(key, ("", [None] * len(FIGURES)))
        for figure, here, there in zip(FIGURES, figures, others):
            compared += 1
            if here != there:
                found.append((key[0], part, figure, here, there))
    return compared, found


def expected_of(programs, kernel):
    """{(program, process, part, figure): (by, reason)}, for this kernel."""
    rows = {}
    reason = ""
    text = (programs / "differences.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        program, process, part, figure, by, since, why = line.split(None, 6)
        reason = reason if why == "as above" else why
        if version(kernel) >= version(since):
            rows[program, int(process), part, figure] = int(by), reason
    return rows


def what_it_does(source):
    """The comment at the top of a program, as one line."""
    lines = []
    for line in source.read_text(encoding="utf-8").splitlines():
        if not line.startswith("//"):
            break
        lines.append(line[2:].strip())
    return " ".join(lines).rstrip(".")


def judge(program, results, expected, wrong):
    """Returns how many figures are compared, how many are off, and why."""
    compared, found = differences_of(program, results)
    reasons = {}
    for process, part, figure, here, there in found:
        by = None if there is None else there - here
        row = expected.pop((program, process, part, figure), None)
        if row is None or row[0] != by:
            wrong.append(f"{program}: {part} (process {process}), {figure}: "
                         f"Linux {here}, replay {there}")
            continue
        reasons.setdefault(row[1], []).append(f"{part} {figure} {by:+d}")
    for key in [key for key in expected if key[0] == program]:
        wrong.append(f"{program}: {key[2]} (process {key[1]}), {key[3]}: no "
                     "such difference, but differences.txt has one")
        del expected[key]
    return str(compared), str(len(found)), [
        f"`{program}`, {', '.join(figures)}: {reason}"
        for reason, figures in reasons.items()]


def table_of(rows, reasons, kernel, thp):
    """The text for the README, no line of which is longer than 110 columns."""
    lines = [f"Linux {kernel}, transparent huge pages `{thp}`:", "",
             "| program | what it does | figures | off |", "|---|---|---|---|"]
    for program, what, compared, off in rows:
        first, *more = textwrap.wrap(what, 66)
        lines.append(f"| `{program}` | {first} | {compared} | {off} |")
        lines += [f"| | {line} | | |" for line in more]
    lines.append("")
    for reason in reasons:
        lines += textwrap.wrap(f"* {reason}", 100, subsequent_indent="  ")
    return "\n".join(lines).rstrip()


def write_into(readme, table):
    """Puts `table` between the two marks of the README."""
    text = readme.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    tail = rest.split(END, 1)[1]
    readme.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}", encoding="utf-8")


def main():
    """Compares all programs."""
    results, programs, readme = map(pathlib.Path, sys.argv[1:4])
    thp, fix = sys.argv[4], "--fix" in sys.argv[5:]
    kernel = platform.release()
    expected = expected_of(programs, kernel)
    wrong = []
    rows = []
    reasons = []
    for source in sorted(programs.glob("*.c")):
        program = source.stem
        skipped = results / f"{program}.skipped"
        if skipped.exists():
            cells = "-", "-", [f"`{program}` was left out: "
                               f"{skipped.read_text(encoding='utf-8').strip()}"]
        else:
            cells = judge(program, results, expected, wrong)
        rows.append((program, what_it_does(source), *cells[:2]))
        reasons += cells[2]
    table = table_of(rows, reasons, ".".join(map(str, version(kernel))), thp)
    print(table)
    if fix:
        write_into(readme, table)
    for line in wrong:
        print(f"against_linux.sh: {line}")
    print(f"{len(rows)} programs, {len(wrong)} figures off without a reason")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
