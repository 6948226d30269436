"""Workloads of one's own, and the operations of recorded ones."""

import enum
import re
import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from . import _xmmu
from ._options import nearest, paths_of

_LAYOUT = _xmmu.operation_layout()
_NAMES = _xmmu.operation_names()
_LARGEST = {"u1": 2**8 - 1, "u4": 2**32 - 1, "u8": 2**64 - 1}
# Reports and their CSV have the name, so it is plain.
_NAME = re.compile(r"[A-Za-z0-9._+:=,-]{1,100}")


def _enumeration(base, name, doc):
    members = {key.replace("-", "_").upper(): number
               for key, number in _NAMES[name].items()}
    made = base(name, members, module="xmmu")
    made.__doc__ = doc
    return made


Kind = _enumeration(enum.IntEnum, "Kind", "What an operation does.")
Backing = _enumeration(enum.IntEnum, "Backing",
                       "Where the pages of a mapping come from.")
Advice = _enumeration(enum.IntEnum, "Advice",
                      "What a program says of its memory, as in madvise(2).")
Rights = _enumeration(enum.IntFlag, "Rights",
                      "Rights of a mapping, as in mmap(2).")
Flags = _enumeration(enum.IntFlag, "Flags",
                     "How a mapping is made; whether a call goes on.")


class Operation(NamedTuple):
    """One operation; fields that its kind does not have are 0.

    include/xmmu/workload/workload.h says what each kind has and does. Names may
    be given as texts: kind "copy-in", backing "file-shared", advice "lock",
    rights "rw".
    """

    kind: int
    va: int = 0           # address
    length: int = 0       # bytes; points of an await
    rights: int = 0       # Rights
    backing: int = 0      # Backing
    flags: int = 0        # Flags
    page_shift: int = 0   # log2 of the size of the pages that a map asks for
    advice: int = 0       # Advice
    target: int = 0       # remap
    new_length: int = 0   # bytes, remap
    child: int = 0        # task: fork, vfork, clone, wait, await
    file: int = 0         # identity of a file
    file_offset: int = 0  # bytes


def dtype():
    """The dtype of an array of operations: that of the C++ struct itself."""
    import numpy
    return numpy.dtype(_LAYOUT)


def _struct():
    """What packs the fields of _LAYOUT, in its order, as C++ has them."""
    text = "="
    end = 0
    codes = {"u1": "B", "u4": "I", "u8": "Q"}
    for kind, offset in zip(_LAYOUT["formats"], _LAYOUT["offsets"]):
        text += f"{offset - end}x{codes[kind]}"
        end = offset + int(kind[1])
    return struct.Struct(f"{text}{_LAYOUT['itemsize'] - end}x")


_PACK = _struct()
_ENUMERATIONS = {"kind": Kind, "backing": Backing, "advice": Advice}


def _number(field, value):
    """The number that `value` of a field is, be it by name."""
    if not isinstance(value, str):
        return value
    if field == "rights":
        letters = {"r": Rights.READ, "w": Rights.WRITE, "x": Rights.EXECUTE,
                   "-": 0}
        if set(value) <= set(letters):
            return sum(int(letters[letter]) for letter in set(value))
        raise ValueError(f"rights: '{value}', want letters of 'rwx'")
    members = _ENUMERATIONS.get(field)
    if members is None:
        raise ValueError(f"{field}: '{value}', want a number")
    name = value.replace("-", "_").upper()
    if name in members.__members__:
        return members[name]
    near = nearest(value, [member.name.lower().replace("_", "-")
                           for member in members])
    raise ValueError(f"{field}: there is no '{value}'{near}")


def _fields(operation):
    """The fields of one operation, an Operation, a tuple of its first fields, a
    mapping, or an object with attributes, in the order of _LAYOUT."""
    if isinstance(operation, Mapping):
        given = dict(operation)
    elif isinstance(operation, (tuple, list)):
        if len(operation) > len(Operation._fields):
            raise ValueError(f"{len(operation)} fields, want at most "
                             f"{len(Operation._fields)}")
        given = dict(zip(Operation._fields, operation))
    else:
        given = {name: getattr(operation, name) for name in Operation._fields
                 if hasattr(operation, name)}
    if "kind" not in given:
        raise ValueError(f"want a kind: a tuple that begins with it, a mapping "
                         f"or an object that has it, not "
                         f"{type(operation).__name__}")
    for name in given:
        if name not in Operation._fields:
            raise ValueError(f"there is no field '{name}'"
                             f"{nearest(name, Operation._fields)}")
    return [_number(name, given.get(name, 0)) for name in _LAYOUT["names"]]


def _explain(fields):
    """What of `fields`, which do not fit their bytes, is wrong."""
    for name, kind, value in zip(_LAYOUT["names"], _LAYOUT["formats"], fields):
        if not hasattr(value, "__index__"):
            return f"{name}: want a number, not {type(value).__name__}"
        if not 0 <= value.__index__() <= _LARGEST[kind]:
            return f"{name}: {value.__index__()}, want 0 to {_LARGEST[kind]}"
    return "a field that does not fit"


def _packed(name, task, operations):
    """The bytes of `operations`, an iterable."""
    packed = bytearray()
    for index, operation in enumerate(operations):
        try:
            fields = _fields(operation)
            try:
                packed += _PACK.pack(*fields)
            except struct.error:
                raise ValueError(_explain(fields)) from None
        except ValueError as error:
            raise ValueError(f"{name}: task {task}, operation {index}: "
                             f"{error}") from None
    return packed


def _memory(name, task, operations):
    """A buffer with `operations`: themselves if they are one."""
    if isinstance(operations, (bytes, bytearray, memoryview)):
        return operations
    if hasattr(operations, "dtype"):
        if operations.dtype != dtype():
            raise ValueError(f"{name}: task {task}: want an array with dtype "
                             f"xmmu.operation_dtype, not {operations.dtype}")
        return operations
    if isinstance(operations, str) or not isinstance(operations, Iterable):
        raise TypeError(f"{name}: task {task}: want operations, not "
                        f"{type(operations).__name__}")
    return _packed(name, task, operations)


class Workload:
    """A workload of one's own: what `workload=` takes.

    operations: those of one task, or a dict with those of each task by its
        number, the first task's first; that is how forks and clones name
        children. They are a NumPy array with dtype xmmu.operation_dtype, which
        is not copied and must stay as it is while it runs, or an iterable of
        Operations, tuples of their first fields, mappings, or objects with
        attributes, which is read at once. The exit at the end may be left out.
    name: what reports call it

    Raises ValueError with the index of an operation that is wrong.
    """

    def __init__(self, operations, name="operations"):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"name={name!r}: want up to 100 letters, digits and "
                             f"'._+:=,-'")
        if not isinstance(operations, Mapping):
            operations = {1: operations}
        if not operations:
            raise ValueError(f"{name}: want a task at least")
        tasks = []
        for task, of_task in operations.items():
            number = getattr(task, "__index__", lambda: -1)()
            if not 0 < number <= _LARGEST["u4"]:
                raise ValueError(f"{name}: task {task!r}: want numbers from 1 to "
                                 f"{_LARGEST['u4']}")
            tasks.append((number, _memory(name, number, of_task)))
        self.name = name
        self._operations = _xmmu.Operations(name, tasks)

    def operations(self):
        return self._operations

    def __repr__(self):
        return f"<xmmu.Workload {self.name}>"


def read_trace(trace, limit=None, progress=None):
    """The operations of a recorded trace, by task, in the order in which tasks
    begin: {number: NumPy array of xmmu.operation_dtype}. xmmu.Workload takes it.

    trace: a file of a recording in any format, or a list of its files
    limit: read so many operations at most, in the order of a replay
    progress: as of xmmu.compare()

    The arrays are the memory that was read, not a copy of it: 56 bytes an
    operation.
    """
    import numpy
    if limit is not None and limit < 0:
        raise ValueError(f"limit={limit}: want 0 or more")
    paths = paths_of(trace)
    return {task: numpy.frombuffer(memory, dtype=dtype())
            for task, memory in _xmmu.read_trace(paths, limit, 0, progress)}
