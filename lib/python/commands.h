#ifndef XMMU_LIB_PYTHON_COMMANDS_H_
#define XMMU_LIB_PYTHON_COMMANDS_H_

// The commands of the program as functions of Python: they take the options that
// the program takes, by its own tables, and return the document of the report
// that the program would write.
//
// REQUIRES: the GIL.

#include <pybind11/pybind11.h>

namespace xmmu::python {

// Adds to `module`: commands(), names(), run(), machine(), Document.
void AddCommands(pybind11::module_& module);

}  // namespace xmmu::python

#endif  // XMMU_LIB_PYTHON_COMMANDS_H_
