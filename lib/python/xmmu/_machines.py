"""Machines, and the names that there are."""

import os

from . import _xmmu
from ._options import text_of
from ._results import Result


class Machine(dict):
    """The figures of a machine, by the keys that machine files and `set` have.

    >>> xmmu.machine("xeon-2003")["cost.mov_cr3"]

    It is what `machine=` of the other functions takes, too. Assigning to it does
    not change what is simulated: xmmu.machine() takes values to override.
    """

    def __init__(self, options):
        name, description, toml, document = _xmmu.machine(
            [(key, text_of(key, value)) for key, value in options])
        self.name = name
        self.description = description
        self.table = Result(document, "xmmu list")
        self._toml = toml
        self._options = options
        super().__init__((value["key"], value["value"])
                         for value in self.table.document["values"])

    def options(self):
        """The options that name this machine, as pairs."""
        return list(self._options)

    def toml(self):
        """All of it as a machine file."""
        return self._toml

    def __repr__(self):
        return f"<xmmu.Machine {self.name}: {self.description}>"

    def __reduce__(self):
        return Machine, (self._options,)


def options_of(machine):
    """The options, as pairs, that `machine` stands for: a name, a list of
    names, the path of a file, or a Machine."""
    if isinstance(machine, Machine):
        return machine.options()
    if isinstance(machine, os.PathLike):
        return [("machine-file", machine)]
    return [("machine", machine)]


def machine(machine="xeon-2003", set=None, **values):
    """A machine's figures, as a dict that functions take as machine=.

    machine: a name of xmmu.machines(), a path to a machine file (a str with a
        '/' or that ends in .toml, or an os.PathLike), or a Machine
    set: a dict of values to override, with the keys of such a file
    values: the same, where the key is the name of a price: mov_cr3=500

    >>> xmmu.machine("zen3-2020", mov_cr3=500)
    """
    if isinstance(machine, str) and (os.sep in machine or
                                     machine.endswith(".toml")):
        machine = [("machine-file", machine)]
    else:
        machine = options_of(machine)
    if set:
        machine.append(("set", set))
    if values:
        machine.append(("set", values))
    return Machine(machine)


def machines():
    """The machines that there are: {name: description}."""
    return _xmmu.names()["machines"]


def policies():
    """The strategies that there are: {name: what it is}."""
    return _xmmu.names()["policies"]


def workloads():
    """The built-in workloads: {name: what it does}."""
    return _xmmu.names()["workloads"]
