"""Xen's memory-virtualization strategies on a simulated x86 MMU.

>>> import xmmu
>>> result = xmmu.compare(workload="fork:pages=64", machine="skylake-2017")
>>> pandas.DataFrame(result)[["policy", "cycles", "page_faults"]]

A function is a command of the program `xmmu`: it takes the same options, with
underscores for dashes, and finds the same numbers. `help(xmmu.compare)` has
them all, as `xmmu compare --help` does.

Values of options are what the command line takes, or Python's own: a list for
what has commas there, a dict for --set, a bool for a switch, a path for a file;
None, the default, is an option that is not given.

Simulations run without the GIL, as many at a time as `jobs` says (default: as
many as there are cores), so threads of Python may run several, too. Ctrl-C stops
one, as does an exception that a `progress` callback raises.

What a user can put right raises ValueError with the line that the program
prints; an argument that there is not raises TypeError.
"""

from ._functions import *  # noqa: F403
from ._functions import __all__ as _functions
from ._machines import Machine, machine, machines, policies, workloads
from ._operations import (Advice, Backing, Flags, Kind, Operation, Rights,
                          Workload, read_trace)
from ._operations import dtype as _dtype
from ._results import Result
from ._xmmu import version as __version__

__all__ = _functions + [
    "Advice", "Backing", "Flags", "Kind", "Machine", "Operation", "Result",
    "Rights", "Workload", "machine", "machines", "operation_dtype", "policies",
    "read_trace", "workloads"]


def __getattr__(name):
    # NumPy is imported by whoever uses its arrays, and by nobody else.
    if name == "operation_dtype":
        return _dtype()
    raise AttributeError(f"module 'xmmu' has no attribute '{name}'")


def __dir__():
    return sorted(__all__ + ["__version__"])
