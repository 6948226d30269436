# What lib/python/xmmu has, for checkers of types and for editors. Those of the
# functions that are commands are written by tests/python/keywords_test.py.

import enum
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, SupportsFloat, SupportsIndex, Union

import numpy

__version__: str

_Path = Union[str, bytes, os.PathLike[str]]
_Value = Union[str, bool, SupportsIndex, SupportsFloat, os.PathLike[str]]
_Operations = Union[
    numpy.ndarray[Any, Any], Iterable[Any], Mapping[int, Iterable[Any]]]

operation_dtype: numpy.dtype[Any]

class Result(dict[str, list[Any]]):
    def __init__(self, document: Any, title: str) -> None: ...
    @property
    def document(self) -> Any: ...
    @property
    def units(self) -> dict[str, str]: ...
    @property
    def help(self) -> dict[str, str]: ...
    def columns(self) -> dict[str, list[Any]]: ...
    def json(self) -> str: ...
    def csv(self) -> str: ...
    def text(self) -> str: ...
    def legend(self) -> str: ...
    def report(self, path: _Path) -> None: ...

class Machine(dict[str, Any]):
    name: str
    description: str
    table: Result
    def __init__(self, options: Iterable[tuple[str, Any]]) -> None: ...
    def options(self) -> list[tuple[str, Any]]: ...
    def toml(self) -> str: ...

def machine(
    machine: str | os.PathLike[str] | Machine = ...,
    set: Mapping[str, _Value] | None = ...,
    **values: _Value,
) -> Machine: ...
def machines() -> dict[str, str]: ...
def policies() -> dict[str, str]: ...
def workloads() -> dict[str, str]: ...

class Kind(enum.IntEnum):
    FETCH = 0
    LOAD = 1
    STORE = 2
    MODIFY = 3
    MAP = 4
    UNMAP = 5
    PROTECT = 6
    REMAP = 7
    DISCARD = 8
    ADVISE = 9
    COPY_IN = 10
    COPY_OUT = 11
    OPEN = 12
    CLOSE = 13
    REMOVE = 14
    FORK = 15
    VFORK = 16
    EXEC = 17
    CLONE = 18
    WAIT = 19
    YIELD = 20
    SYSCALL = 21
    EXIT = 22
    POST = 23
    AWAIT = 24

class Backing(enum.IntEnum):
    ANONYMOUS = 0
    STACK = 1
    FILE_PRIVATE = 2
    FILE_SHARED = 3
    SHARED_ANONYMOUS = 4

class Advice(enum.IntEnum):
    HUGE_PAGE = 0
    NO_HUGE_PAGE = 1
    POPULATE_READ = 2
    POPULATE_WRITE = 3
    DONT_FORK = 4
    DO_FORK = 5
    WIPE_ON_FORK = 6
    KEEP_ON_FORK = 7
    FREE = 8
    LOCK = 9
    LOCK_ON_FAULT = 10
    UNLOCK = 11

class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2
    EXECUTE = 4

class Flags(enum.IntFlag):
    POPULATE = 1
    LOCKED = 2
    LOCK_ON_FAULT = 4
    ZERO_FILLED = 8
    ONE_PAGE_FAULTS = 16
    CALL_GOES_ON = 128

class Operation(NamedTuple):
    kind: int | str
    va: int = ...
    length: int = ...
    rights: int | str = ...
    backing: int | str = ...
    flags: int = ...
    page_shift: int = ...
    advice: int | str = ...
    target: int = ...
    new_length: int = ...
    child: int = ...
    file: int = ...
    file_offset: int = ...

class Workload:
    name: str
    def __init__(self, operations: _Operations, name: str = ...) -> None: ...
    def operations(self) -> Any: ...

def read_trace(
    trace: _Path | Sequence[_Path],
    limit: int | None = ...,
    progress: Callable[[int, int, int], object] | None = ...,
) -> dict[int, numpy.ndarray[Any, Any]]: ...

# From here on: stubs of commands.
def compare(
    workload: str | Workload | _Operations | None = ...,
    *,
    trace: _Path | Sequence[_Path] | None = ...,
    policies: _Value | Sequence[_Value] | None = ...,
    guest_ops: _Value | Sequence[_Value] | None = ...,
    pin: _Value | Sequence[_Value] | None = ...,
    share_file_pages: bool | None = ...,
    linear_map: _Value | Sequence[_Value] | None = ...,
    machine: str | Sequence[str] | os.PathLike[str] | Machine | None = ...,
    machine_file: _Path | None = ...,
    set: str | Mapping[str, _Value] | Sequence[str] | None = ...,
    flush_filter: bool | None = ...,
    levels: _Value | None = ...,
    vcpus: _Value | None = ...,
    domains: _Value | None = ...,
    memory: _Value | None = ...,
    quantum: _Value | None = ...,
    fault_around: _Value | None = ...,
    flush_ceiling: _Value | None = ...,
    thp: _Value | Sequence[_Value] | None = ...,
    reclaim: _Value | None = ...,
    migrate: _Value | None = ...,
    migrate_every: _Value | None = ...,
    timing: _Value | None = ...,
    walkers: _Value | None = ...,
    overlap: _Value | None = ...,
    skip: _Value | None = ...,
    warmup: _Value | None = ...,
    operations: _Value | None = ...,
    interval: _Value | None = ...,
    per: _Value | None = ...,
    sensitivity: bool | None = ...,
    prices: _Value | None = ...,
    samples: _Value | None = ...,
    seed: _Value | None = ...,
    jobs: _Value | None = ...,
    config: _Path | None = ...,
    timeline: _Path | None = ...,
    timeline_from: _Value | None = ...,
    timeline_for: _Value | None = ...,
    stacks: _Path | None = ...,
    progress: Callable[[int, int, int], object] | None = ...,
) -> Result: ...

def crossover(
    *,
    trace: _Path | Sequence[_Path] | None = ...,
    variants: bool | None = ...,
    machine: str | Sequence[str] | os.PathLike[str] | Machine | None = ...,
    machine_file: _Path | None = ...,
    set: str | Mapping[str, _Value] | Sequence[str] | None = ...,
    levels: _Value | Sequence[_Value] | None = ...,
    sensitivity: bool | None = ...,
    prices: _Value | None = ...,
    samples: _Value | None = ...,
    seed: _Value | None = ...,
    jobs: _Value | None = ...,
    config: _Path | None = ...,
    progress: Callable[[int, int, int], object] | None = ...,
) -> Result: ...

def explain(
    event: str | None = ...,
    *,
    pages: _Value | None = ...,
    trace: _Path | Sequence[_Path] | None = ...,
    workload: str | Workload | _Operations | None = ...,
    fault: _Value | None = ...,
    policies: _Value | Sequence[_Value] | None = ...,
    guest_ops: _Value | Sequence[_Value] | None = ...,
    pin: _Value | Sequence[_Value] | None = ...,
    share_file_pages: bool | None = ...,
    linear_map: _Value | Sequence[_Value] | None = ...,
    machine: str | Sequence[str] | os.PathLike[str] | Machine | None = ...,
    machine_file: _Path | None = ...,
    set: str | Mapping[str, _Value] | Sequence[str] | None = ...,
    flush_filter: bool | None = ...,
    levels: _Value | None = ...,
    vcpus: _Value | None = ...,
    memory: _Value | None = ...,
    quantum: _Value | None = ...,
    fault_around: _Value | None = ...,
    flush_ceiling: _Value | None = ...,
    thp: _Value | Sequence[_Value] | None = ...,
    reclaim: _Value | None = ...,
    timing: _Value | None = ...,
    jobs: _Value | None = ...,
    config: _Path | None = ...,
    progress: Callable[[int, int, int], object] | None = ...,
) -> Result: ...

def grid(
    *,
    machine: str | Sequence[str] | os.PathLike[str] | Machine | None = ...,
    cells: _Path | None = ...,
    clock_ghz: _Value | None = ...,
    seed: _Value | None = ...,
    errors: bool | None = ...,
    worst: _Value | None = ...,
    jobs: _Value | None = ...,
    config: _Path | None = ...,
    progress: Callable[[int, int, int], object] | None = ...,
) -> Result: ...

def published(
    *,
    table: _Value | Sequence[_Value] | None = ...,
    jobs: _Value | None = ...,
    config: _Path | None = ...,
    progress: Callable[[int, int, int], object] | None = ...,
) -> Result: ...

def shadows(
    *,
    trace: _Path | Sequence[_Path] | None = ...,
    workloads: _Value | Sequence[_Value] | None = ...,
    machine: str | Sequence[str] | os.PathLike[str] | Machine | None = ...,
    machine_file: _Path | None = ...,
    set: str | Mapping[str, _Value] | Sequence[str] | None = ...,
    levels: _Value | Sequence[_Value] | None = ...,
    vcpus: _Value | Sequence[_Value] | None = ...,
    sensitivity: bool | None = ...,
    prices: _Value | None = ...,
    samples: _Value | None = ...,
    seed: _Value | None = ...,
    jobs: _Value | None = ...,
    config: _Path | None = ...,
    progress: Callable[[int, int, int], object] | None = ...,
) -> Result: ...
# To here.
