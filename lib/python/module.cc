// The part of Python's package xmmu that is written in C++. What it has is for
// the package alone; lib/python/xmmu says what users see.

#include <pybind11/pybind11.h>

#include "python/commands.h"
#include "python/operation_memory.h"

PYBIND11_MODULE(_xmmu, module) {
  xmmu::python::AddOperations(module);
  xmmu::python::AddCommands(module);
}
