"""Keyword arguments are the flags of the program, in code, help and stub."""

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
import unittest

import support

support.begin("numpy")

import xmmu

STUB = support.ROOT / "lib/python/xmmu/__init__.pyi"
FUNCTIONS = [name for name in ("compare", "crossover", "explain", "grid",
                               "published", "shadows") if hasattr(xmmu, name)]
# Flags that say how a report is written, or are about the command line.
OF_WRITING = {"format", "legend", "output", "report", "help"}
OF_PYTHON = {"trace", "event", "progress"}


def flags_of(command):
    """The flags in --help, with what stands behind each."""
    text = support.program(command, "--help")
    return dict(re.findall(r"(?m)^  (?:-\w, )?--([a-z-]+)(?:[= ](\S+))?", text))


class KeywordsTest(unittest.TestCase):

    def test_every_flag_that_writes_nothing_is_a_keyword(self):
        for name in FUNCTIONS:
            flags = {flag.replace("-", "_") for flag in flags_of(name)
                     if flag not in OF_WRITING}
            keywords = set(inspect.signature(getattr(xmmu, name)).parameters)
            self.assertGreater(len(flags), 1)
            self.assertEqual((name, keywords - OF_PYTHON),
                             (name, flags - OF_PYTHON))

    def test_every_option_of_a_run_is_a_keyword_of_compare(self):
        listed = re.findall(r"(?m)^  --([a-z-]+)",
                            support.program("list", "options"))
        keywords = inspect.signature(xmmu.compare).parameters
        self.assertGreater(len(listed), 20)
        for flag in listed:
            self.assertIn(flag.replace("-", "_"), keywords)

    def test_help_has_what_the_program_says_of_each_flag(self):
        shown = " ".join(support.program("compare", "--help").split())
        doc = inspect.getdoc(xmmu.compare)
        for keyword in inspect.signature(xmmu.compare).parameters:
            self.assertRegex(doc, rf"(?m)^{keyword}: ")
        said = re.search("(?m)^quantum: N: (.*)$", doc).group(1)
        self.assertIn(said, shown)

    def test_what_is_refused_is_the_programs_line(self):
        for arguments, words in [
                ({"workload": "frok"}, ["--workload=frok"]),
                ({"workload": "fork", "vcpus": 65},
                 ["--workload=fork", "--vcpus=65"]),
                ({"workload": "fork", "policies": ["native", "xi"]},
                 ["--workload=fork", "--policies=native,xi"]),
                ({"workload": "fork", "set": {"mov_cr3": -1}},
                 ["--workload=fork", "--set=mov_cr3=-1"]),
                ({"workload": "fork", "samples": 3},
                 ["--workload=fork", "--samples=3"]),
                ({"workload": "fork", "machine": ""},
                 ["--workload=fork", "--machine="]),
                ({"workload": "fork", "jobs": 0},
                 ["--workload=fork", "--jobs=0"]),
                ({"workload": "fork", "memory": 63},
                 ["--workload=fork", "--memory=63"]),
                ({"trace": "none.xmmu"}, ["none.xmmu"]),
                ({"trace": "README.md"}, ["README.md"]),
                ({}, [])]:
            line = support.program("compare", *words, status=2)
            with self.assertRaises(ValueError) as refused:
                xmmu.compare(**arguments)
            self.assertEqual(str(refused.exception), line)

    def test_an_argument_that_there_is_not_is_answered_by_the_nearest(self):
        with self.assertRaisesRegex(TypeError, "'polices'; did you mean "
                                    "'policies'"):
            xmmu.compare(workload="fork", polices="all")
        with self.assertRaisesRegex(TypeError, "output"):
            xmmu.compare(workload="fork", output="x")
        with self.assertRaises(TypeError):
            xmmu.compare("fork", "native")
        with self.assertRaisesRegex(TypeError, "vcpus: want .* not object"):
            xmmu.compare(workload="fork", vcpus=object())
        with self.assertRaisesRegex(ValueError, "NUL"):
            xmmu.compare(trace="a\0b")
        with self.assertRaisesRegex(ValueError, "trace=-: want a file"):
            xmmu.compare(trace="-")

    def test_none_is_an_option_that_is_not_given(self):
        self.assertEqual(
            xmmu.compare(workload="fork:pages=8", vcpus=None).document,
            xmmu.compare(workload="fork:pages=8").document)

    def test_values_of_python_and_numpy_are_words(self):
        import numpy
        from xmmu._options import text_of
        for value, text in [(True, b"true"), (False, b"false"), (7, b"7"),
                            (0.25, b"0.25"), (2.0, b"2"), ("a", b"a"),
                            (numpy.int64(7), b"7"), (numpy.float64(.5), b"0.5"),
                            (["a", 2], b"a,2"), (support.ROOT / "a", None),
                            ({"a": 1, "b": "2k"}, b"a=1,b=2k")]:
            self.assertEqual(text_of("x", value),
                             os.fsencode(value) if text is None else text)
        self.assertEqual(text_of("workloads", ["a:b=1,c=2", "d"]),
                         b"a:b=1,c=2;d")

    def test_a_file_of_options_is_read(self):
        import pathlib
        import tempfile
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "run.toml")
            path.write_text('workload = "touch:pages=9"\nvcpus = 2\n')
            result = xmmu.compare(config=path, policies="native")
            self.assertEqual(result["vcpus"], [2])
            path.write_text('workload = "touch"\nformat = "json"\n')
            with self.assertRaisesRegex(ValueError, "run.toml:2: format"):
                xmmu.compare(config=path)


def annotation(name, value):
    """What the stub says of a parameter whose option takes `value`."""
    if name == "workload":
        return "str | Workload | _Operations"
    if name == "machine":
        return "str | Sequence[str] | os.PathLike[str] | Machine"
    if name == "set":
        return "str | Mapping[str, _Value] | Sequence[str]"
    if name == "event":
        return "str"
    if name == "trace":
        return "_Path | Sequence[_Path]"
    if name == "progress":
        return "Callable[[int, int, int], object]"
    if not value:
        return "bool"
    if value.endswith("..."):
        return "_Value | Sequence[_Value]"
    return "_Path" if "FILE" in value else "_Value"


def stub_of(name):
    """The lines of the stub on a function of a command."""
    from xmmu import _xmmu
    row = next(row for row in _xmmu.commands() if row["name"] == name)
    values = {option["name"].replace("-", "_"): option["value"]
              for option in row["options"]}
    lines = [f"def {name}("]
    star = False
    for parameter in inspect.signature(getattr(xmmu, name)).parameters.values():
        if parameter.kind == parameter.KEYWORD_ONLY and not star:
            lines.append("    *,")
            star = True
        kind = annotation(parameter.name, values.get(parameter.name, ""))
        lines.append(f"    {parameter.name}: {kind} | None = ...,")
    return lines + [") -> Result: ..."]


class StubTest(unittest.TestCase):

    def test_the_stub_has_the_functions_of_the_commands(self):
        text = STUB.read_text(encoding="utf-8")
        begin, end = "# From here on: stubs of commands.\n", "# To here.\n"
        head, rest = text.split(begin)
        tail = rest.split(end)[1]
        made = "\n\n".join("\n".join(stub_of(name)) for name in FUNCTIONS)
        expected = f"{head}{begin}{made}\n{end}{tail}"
        if os.environ.get("XMMU_WRITE_STUB"):
            STUB.write_text(expected, encoding="utf-8")
        self.assertEqual(STUB.read_text(encoding="utf-8"), expected,
                         "XMMU_WRITE_STUB=1 writes it anew")

    def test_the_stub_names_what_there_is_with_the_same_arguments(self):
        tree = ast.parse(STUB.read_text(encoding="utf-8"))
        named = {}
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                named[node.name] = node
            elif isinstance(node, ast.AnnAssign):
                named[node.target.id] = node
        self.assertEqual({name for name in named if not name.startswith("_")},
                         set(xmmu.__all__))
        for name, node in named.items():
            if isinstance(node, ast.FunctionDef):
                self.compare(getattr(xmmu, name), node)
            elif isinstance(node, ast.ClassDef):
                self.compare_class(getattr(xmmu, name), node)

    def compare(self, function, node, method=False):
        parameters = list(inspect.signature(function).parameters.values())
        shown = [a.arg for a in node.args.args + node.args.kwonlyargs]
        has = [p.name for p in parameters if p.kind != p.VAR_KEYWORD]
        self.assertEqual((node.name, shown), (node.name, has))
        by_name = [p.name for p in parameters if p.kind == p.KEYWORD_ONLY]
        self.assertEqual([a.arg for a in node.args.kwonlyargs], by_name)
        optional = [p.name for p in parameters if p.default is not p.empty]
        defaults = len(node.args.defaults) + len(
            [d for d in node.args.kw_defaults if d is not None])
        self.assertEqual((node.name, defaults), (node.name, len(optional)))

    def compare_class(self, made, node):
        import enum
        members = {}
        for part in node.body:
            if isinstance(part, ast.FunctionDef):
                members[part.name] = part
                if not any(isinstance(d, ast.Name) and d.id == "property"
                           for d in part.decorator_list):
                    self.compare(getattr(made, part.name), part)
            elif isinstance(part, ast.AnnAssign):
                members[part.target.id] = part
            elif isinstance(part, ast.Assign):
                members[part.targets[0].id] = part.value.value
        if issubclass(made, enum.Enum):
            self.assertEqual(members, {m.name: m.value for m in made})
        elif issubclass(made, tuple):
            self.assertEqual(tuple(members), made._fields)
        else:
            public = {name for name in vars(made) if not name.startswith("_")}
            self.assertLessEqual(public, set(members))

    def test_mypy_takes_the_stub_and_a_program_that_uses_it(self):
        if shutil.which("mypy", path="/usr/bin:/bin") is None:
            self.skipTest("mypy is not installed")
        source = ("import xmmu\n"
                  "r = xmmu.compare(workload='fork', levels=4, vcpus='2',\n"
                  "                 policies=['native'], set={'mov_cr3': 5})\n"
                  "c: list = r['cycles']\n"
                  "w = xmmu.Workload([xmmu.Operation(xmmu.Kind.LOAD, 1, 8)])\n"
                  "xmmu.compare(w, machine=xmmu.machine('zen3-2020'))\n")
        for text, status in ((source, 0),
                             (source + "xmmu.compare(polices='all')\n", 1)):
            result = subprocess.run(
                ["/usr/bin/mypy", "--no-incremental", "--cache-dir=/dev/null",
                 "-c", text], capture_output=True, text=True, check=False,
                env=dict(os.environ,
                         MYPYPATH=str(support.build() / "python")))
            self.assertEqual(result.returncode, status,
                             result.stdout + result.stderr)


if __name__ == "__main__":
    support.main()
