#ifndef XMMU_LIB_PYTHON_OPERATION_MEMORY_H_
#define XMMU_LIB_PYTHON_OPERATION_MEMORY_H_

// Operations in the memory of Python's objects, and those of traces as memory
// for such objects: both by Python's buffer protocol (PEP 3118), without a copy.
//
// REQUIRES: the GIL.

#include <pybind11/pybind11.h>

#include <string>
#include <utility>
#include <vector>

#include "python/operations.h"

namespace xmmu::python {

// Buffers that hold operations, kept alive and in place with it.
class OperationMemory {
 public:
  // `tasks` has the id of each task, the first one's first, and an object with
  // its operations: a buffer of one dimension whose elements are GuestOps, or of
  // so many bytes. Reads all of it, without the GIL.
  // Raises: ValueError for other buffers, and what CheckOperations() says.
  OperationMemory(
      std::string name,
      const std::vector<std::pair<TaskId, pybind11::object>>& tasks);
  OperationMemory(const OperationMemory&) = delete;
  OperationMemory& operator=(const OperationMemory&) = delete;
  ~OperationMemory();

  const OperationSet& set() const { return set_; }

 private:
  void Release();

  OperationSet set_;
  std::vector<Py_buffer> buffers_;
};

// Adds to `module`: Operations, read_trace(), operation_layout() and the names
// of what operations have.
void AddOperations(pybind11::module_& module);

}  // namespace xmmu::python

#endif  // XMMU_LIB_PYTHON_OPERATION_MEMORY_H_
