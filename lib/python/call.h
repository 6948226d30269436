#ifndef XMMU_LIB_PYTHON_CALL_H_
#define XMMU_LIB_PYTHON_CALL_H_

// Long work called from Python: it runs on a thread of its own, without the GIL,
// while the caller waits. Meanwhile the caller looks for signals, so that Ctrl-C
// stops the work, and tells a progress callback how far it is.

#include <pybind11/pybind11.h>

#include <functional>

#include "absl/status/status.h"
#include "cli/console.h"

namespace xmmu::python {

// Calls `work` with `console`, and `progress` (None: nobody) with the jobs that
// have ended and that are known, and the operations done: five times a second,
// and once at the end. What signal handlers and `progress` raise is raised once
// the work has stopped; then there is no result.
// Raises: ValueError with the message for what the user can put right, and
// RuntimeError for anything else, as the exit statuses 2 and 1 of the program.
// REQUIRES: the GIL; `work` uses nothing of Python's.
void CallWork(const std::function<absl::Status(cli::Console&)>& work,
              cli::Console& console, const pybind11::object& progress);

// Raises what CallWork() raises for `status`, unless it is OK.
void RaiseUnlessOk(const absl::Status& status);

}  // namespace xmmu::python

#endif  // XMMU_LIB_PYTHON_CALL_H_
