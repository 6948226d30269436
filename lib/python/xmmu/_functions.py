"""The commands of the program as functions, made from its tables of options."""

import inspect

from . import _xmmu
from ._machines import options_of
from ._operations import Workload
from ._options import nearest, paths_of, text_of
from ._results import Result

# Those that answer a question; the others are about files and names.
_NAMES = ("compare", "crossover", "explain", "grid", "published", "shadows")
# Arguments that need no keyword.
_FIRST = {"compare": "workload", "explain": "event"}
_PROGRESS = ("progress", "called as progress(jobs_done, jobs_known, operations) "
             "five times a second and at the end; what it raises stops the run")


class _Function:
    """What one function takes and does."""

    def __init__(self, row):
        self.row = row
        self.options = {option["name"].replace("-", "_"): option
                        for option in row["options"]}
        names = list(self.options)
        # What is no option of the program has no name there.
        self.files = row["files"].lower()
        if self.files:
            names.insert(0, self.files)
        first = _FIRST.get(row["name"])
        if first:
            names.remove(first)
            names.insert(0, first)
        self.signature = inspect.Signature([
            inspect.Parameter(
                name, inspect.Parameter.POSITIONAL_OR_KEYWORD
                if name == first else inspect.Parameter.KEYWORD_ONLY,
                default=None)
            for name in names + ["progress"]])

    def doc(self):
        lines = [self.row["help"], "", self.row["description"], ""]
        for name in self.signature.parameters:
            if name == "trace" and name == self.files:
                lines.append("trace: file of a recording, or a list of its "
                             "files")
            elif name == self.files:
                lines.append(f"{name}: which, see the program's xmmu list "
                             f"stories")
            elif name == "progress":
                lines.append(": ".join(_PROGRESS))
            else:
                option = self.options[name]
                value = f"{option['value']}: " if option["value"] else ""
                lines.append(f"{name}: {value}{option['help']}")
            if name == "workload":
                lines[-1] += "; or an xmmu.Workload, or what that takes"
        lines += ["", "Returns an xmmu.Result."]
        return "\n".join(lines)

    def bind(self, args, kwargs):
        """The arguments that are given, by name."""
        name = self.row["name"]
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            for given in kwargs:
                if given not in self.signature.parameters:
                    near = nearest(given, self.signature.parameters)
                    raise TypeError(f"{name}() got an unexpected keyword "
                                    f"argument '{given}'{near}") from None
            raise TypeError(f"{name}() {error}") from None
        return {name: value for name, value in bound.arguments.items()
                if value is not None}

    def words(self, given):
        """The options that are given as pairs of a name and bytes."""
        pairs = []
        for name, value in given.items():
            if name == "machine":
                pairs += options_of(value)
            else:
                pairs.append((self.options[name]["name"], value))
        words = [(name, text_of(name, value)) for name, value in pairs]
        for name, text in words:
            option = self.options[name.replace("-", "_")]
            if not text and not option["may_be_empty"]:
                raise ValueError(f"--{name}=: want a value")
        return words

    def __call__(self, args, kwargs):
        given = self.bind(args, kwargs)
        progress = given.pop("progress", None)
        files = paths_of(given.pop(self.files, None))
        workload = None
        if "workload" in self.options and not isinstance(
                given.get("workload", ""), str):
            workload = given.pop("workload")
            if not isinstance(workload, Workload):
                workload = Workload(workload)
            workload = workload.operations()
        document = _xmmu.run(self.row["name"], self.words(given), files,
                             workload, progress)
        return Result(document, f"xmmu {self.row['name']}")


def _function(row):
    """The function of the command `row`."""
    maker = _Function(row)

    def function(*args, **kwargs):
        return maker(args, kwargs)

    function.__name__ = function.__qualname__ = row["name"]
    function.__module__ = "xmmu"
    function.__signature__ = maker.signature
    function.__doc__ = maker.doc()
    return function


__all__ = []
for _row in _xmmu.commands():
    if _row["name"] in _NAMES:
        globals()[_row["name"]] = _function(_row)
        __all__.append(_row["name"])
