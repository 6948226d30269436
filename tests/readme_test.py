#!/usr/bin/env python3
"""What the READMEs say of programs and files is so.

Checks each README.md of the source tree:

* A fenced block below the comment `<!-- prints: COMMAND -->` is what COMMAND
  prints, byte for byte. COMMAND may go over several lines; it runs in bash at
  the top of the source tree, the programs of the build first on its path. If
  it begins with the word `above`, that stands for the commands of the fenced
  block before the comment.
* No line is longer than 110 columns, but in such blocks, which are as wide as
  the program makes them. The README at the top has no more than 200 lines.
* Each name in backquotes that looks like a path of the tree is one: from the
  top, from the README's own folder, or from include/, include/xmmu/ or lib/. A
  file named without its folder is somewhere in the tree.
* Each `SuiteTest.Name` in backquotes is a test.
* lib/README.md has a line for each room of tests/layering_test.py.
* The table of lib/guest/README.md on what Linux does says of each row that it is
  modelled or simplified, and names a test, or left out, and why; and it names
  each program of tests/guest/against_linux.

Usage: readme_test.py PROGRAMS_DIRECTORY [--fix]
       readme_test.py --text

--fix writes what the commands print into the READMEs. --text runs no command
and checks all but the blocks.
"""

import functools
import os
import pathlib
import re
import subprocess
import sys

import layering_test

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_COLUMNS = 110
MAX_LINES_AT_THE_TOP = 200

BLOCK = re.compile(r"(<!-- prints: (.*?) -->\n```[a-z]*\n)(.*?)(?=^```$)",
                   re.DOTALL | re.MULTILINE)
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAME = re.compile(r"`([^`\n]+)`|\]\(([^)#\n]+)\)")
# What files of this tree end in. Sources of Xen and Linux end in .c.
ENDINGS = (".cc", ".h", ".py", ".sh", ".md", ".cmake", ".csv", ".txt")
FOLDERS = ("", "include", "include/xmmu", "lib", "tests")


def files():
    """All files of the tree, as paths from its top; no build's and no hidden."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders
                      if f != "build" and not f.startswith(".")]
        here = pathlib.Path(folder).relative_to(ROOT)
        found += [here / name for name in names]
    return sorted(found)


@functools.cache
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


def command_of(match):
    """The command of a match of BLOCK."""
    command = match.group(2)
    if command.startswith("above"):
        before = FENCE.findall(match.string, 0, match.start())[-1]
        command = "{\n" + before + "}" + command.removeprefix("above")
    return command


def blocks_of(name, text, programs):
    """The text with each block as it is printed; messages; how many blocks."""
    wrong = []
    blocks = 0

    def check(match):
        nonlocal blocks
        blocks += 1
        head, _, shown = match.groups()
        command = command_of(match)
        printed = output_of(command, programs)
        if printed != shown:
            wrong.append(f"{name}: {command}\n"
                         f"{first_difference(shown, printed)}")
        return head + printed

    fixed = BLOCK.sub(check, text)
    if blocks != text.count("<!-- prints:"):
        sys.exit(f"{name}: {blocks} blocks, but "
                 f"{text.count('<!-- prints:')} comments")
    return fixed, wrong, blocks


def long_lines(name, text):
    """Messages for lines that are too long, and too many lines."""
    # The lines of a replayed block are empty here, so that numbers stay right.
    text = BLOCK.sub(
        lambda match: match.group(1) + "\n" * match.group(3).count("\n"), text)
    lines = text.splitlines()
    found = [f"{name}:{number}: {len(line)} columns, expected no more than "
             f"{MAX_COLUMNS}"
             for number, line in enumerate(lines, 1) if len(line) > MAX_COLUMNS]
    if name == "README.md" and len(lines) > MAX_LINES_AT_THE_TOP:
        found.append(f"{name}: {len(lines)} lines, expected no more than "
                     f"{MAX_LINES_AT_THE_TOP}")
    return found


def alternatives(name):
    """`a.{h,cc}` as `a.h` and `a.cc`."""
    match = re.search(r"\{([^}]*)\}", name)
    if not match:
        return [name]
    return [whole for part in match.group(1).split(",")
            for whole in alternatives(name[:match.start()] + part +
                                      name[match.end():])]


def is_path(name):
    """Whether `name` looks like a path of this tree, or a file of it."""
    if not re.fullmatch(r"[\w.*?/{},-]*[\w*/}]", name) or ".." in name:
        return False
    if name.startswith(("/", "build/")):
        return False
    if "/" not in name:
        return name.endswith(ENDINGS) and not name.startswith(("*", "."))
    tops = [ROOT / folder / name.split("/")[0] for folder in FOLDERS]
    if not any(top.is_dir() for top in tops):
        return False
    return name.endswith((*ENDINGS, "/", "*")) or "." not in name


def exists(name, readme, tree):
    if "/" not in name and any(path.match(name) for path in tree):
        return True
    name = name.rstrip("/")
    return any(any((ROOT / folder).glob(name))
               for folder in (*FOLDERS, readme.parent))


def dead_paths(readme, text, tree):
    """Messages for names that look like paths of the tree and are none."""
    text = FENCE.sub(lambda match: "\n" * match.group().count("\n"), text)
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        for quoted, link in NAME.findall(line):
            if link and not link.startswith("http"):
                if not (ROOT / readme.parent / link).exists():
                    found.append(f"{readme}:{number}: no file {link}")
                continue
            name = re.sub(r":\d+$", "", quoted)
            if not is_path(name):
                continue
            for path in alternatives(name):
                if not exists(path, readme, tree):
                    found.append(f"{readme}:{number}: no file {path}")
    return found


def words_of_tests():
    """All words in the sources of tests, among them the tests' names."""
    text = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.cc"))
    return set(re.findall(r"\w+", text))


def dead_tests(readme, text, words):
    """Messages for names of tests that there are not."""
    return [f"{readme}: no test {suite}.{name}"
            for suite, name in re.findall(r"`(?:\w+/)*(\w+Test)\.(\w+)", text)
            if not {suite, name} <= words]


def missing_rooms(text):
    """Messages for rooms that the table of lib/README.md lacks, or makes up."""
    told = set(re.findall(r"^\| `([\w/]+)` \|", text, re.MULTILINE))
    rooms = set(layering_test.MAY_USE)
    return [f"lib/README.md: no line for the room {room}"
            for room in sorted(rooms - told)] + [
                f"lib/README.md: no room {room} in layering_test.py"
                for room in sorted(told - rooms)]


def rows_of_truth(text):
    """The rows of the table under `| Linux 6.1 |`, as [what, here, why]; a line
    without a first word goes on with the row before."""
    rows = []
    for line in text.partition("| Linux 6.1 |")[2].splitlines()[2:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0].startswith("**"):
            continue
        if rows and not cells[1]:
            rows[-1] = [f"{old} {new}".strip()
                        for old, new in zip(rows[-1], cells)]
        else:
            rows.append(cells)
    return rows


def untold_truths(name, text, programs):
    """Messages for rows of the table of lib/guest/README.md that name no test
    and no reason, for programs that are not there, and for those not named."""
    found = []
    named = set()
    rows = rows_of_truth(text)
    for what, here, why in rows:
        tests = re.findall(r"`(?:(\w+)\.c|\w+Test\.\w+|\w+_\w+)`", why)
        named.update(filter(None, tests))
        if here not in ("modelled", "simplified", "left out"):
            found.append(f"{name}: {what}: '{here}' is no answer")
        elif not (why if here == "left out" else tests):
            found.append(f"{name}: {what}: is {here}, and nothing says by what")
    found += [f"{name}: no program {program}.c"
              for program in sorted(named - programs)]
    found += [f"{name}: no row names {program}.c"
              for program in sorted(programs - named)]
    return found if rows else [f"{name}: no table of what Linux does"]


def self_test():
    """The checks of text must find what they are for, and nothing else."""
    text = ("`lib/CMakeLists.txt` `machine/pte.h` `xen/arch/x86/mm.c` "
            "`pinning/queue`\n`readme_test.py` `lib/no/such.cc` `none.py`\n"
            f"{'x' * 111}\n<!-- prints: true |\n  cat -->\n```\n{'x' * 111}\n"
            "```\n```\n`lib/none.h`\n```\n")
    tree = [pathlib.Path("tests/readme_test.py")]
    found = (dead_paths(pathlib.Path("lib/README.md"), text, tree) +
             long_lines("lib/README.md", text) +
             dead_tests("lib/README.md", "`AllTest.Is` `All/ATest.No/3`",
                        {"AllTest", "Is", "ATest"}))
    found += untold_truths(
        "g", "| Linux 6.1 | here | why |\n|---|---|---|\n| **A** | | |\n"
        "| a | modelled | `one.c`, |\n| b | | `two.c` |\n"
        "| c | simplified | so |\n| d | left out | |\n| e | done | `ATest.Is` |",
        {"one", "three"})
    expected = ["lib/README.md:2: no file lib/no/such.cc",
                "lib/README.md:2: no file none.py",
                "lib/README.md:3: 111 columns, expected no more than 110",
                "lib/README.md: no test ATest.No",
                "g: c: is simplified, and nothing says by what",
                "g: d: is left out, and nothing says by what",
                "g: e: 'done' is no answer",
                "g: no program two.c",
                "g: no row names three.c"]
    if found != expected:
        sys.exit(f"self-test: expected {expected}, found {found}")


def main():
    self_test()
    tree = files()
    words = words_of_tests()
    fix = "--fix" in sys.argv[2:]
    programs = None
    if sys.argv[1] != "--text":
        programs = pathlib.Path(sys.argv[1]).resolve()
    wrong = []
    differ = []
    blocks = 0
    for readme in [path for path in tree if path.name == "README.md"]:
        text = (ROOT / readme).read_text()
        wrong += (long_lines(str(readme), text) +
                  dead_paths(readme, text, tree) +
                  dead_tests(readme, text, words))
        if str(readme) == "lib/README.md":
            wrong += missing_rooms(text)
        if str(readme) == "lib/guest/README.md":
            wrong += untold_truths(str(readme), text, {
                path.stem for path in tree
                if path.suffix == ".c" and path.parent.name == "against_linux"})
        if programs:
            fixed, found, count = blocks_of(str(readme), text, programs)
            differ += found
            blocks += count
            if fix and fixed != text:
                (ROOT / readme).write_text(fixed)
    if programs and blocks == 0:
        sys.exit("no README has a block")
    if programs:
        what = "written anew" if fix else "differ from what is printed"
        print(f"{blocks} blocks, {len(differ)} {what}")
    print(f"{len(wrong)} other differences")
    if fix:
        differ = []
    if wrong or differ:
        sys.exit("\n".join(wrong + differ))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
