#include "python/call.h"

#include <cxxabi.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include "base/printable.h"

namespace xmmu::python {
namespace {

namespace py = pybind11;

// How long a signal may wait for its handler.
constexpr std::chrono::milliseconds kLook{50};
// So many looks are between two calls of a progress callback.
constexpr int kLooksACall = 4;

// Work on a thread of its own.
class Worker {
 public:
  Worker(const std::function<absl::Status(cli::Console&)>& work,
         cli::Console& console)
      : thread_([this, &work, &console] { Run(work, console); }) {}
  ~Worker() {
    if (thread_.joinable()) Join();
  }

  // Waits a little. Returns whether the work has ended.
  bool Wait() {
    std::unique_lock lock(mutex_);
    return ended_told_.wait_for(lock, kLook, [this] { return ended_; });
  }

  void Join() { thread_.join(); }

  // Errors: those of the work; what it throws is thrown here. REQUIRES: Join().
  absl::Status Result() {
    if (thrown_ != nullptr) std::rethrow_exception(thrown_);
    return status_;
  }

 private:
  void Run(const std::function<absl::Status(cli::Console&)>& work,
           cli::Console& console) {
    absl::Status status;
    std::exception_ptr thrown;
    try {
      status = work(console);
    } catch (...) {
      // No memory, such as for a guest of many GiB.
      thrown = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
    thrown_ = thrown;
    ended_ = true;
    ended_told_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable ended_told_;
  bool ended_ = false;
  absl::Status status_;
  std::exception_ptr thrown_;
  std::thread thread_;  // the last, as it uses all of these
};

void Tell(const py::object& progress, const JobProgress& done) {
  if (progress.is_none()) return;
  progress(done.finished(), done.expected(), done.operations());
}

// Waits for the end of the work. Throws what handlers of signals, or `progress`,
// have raised.
void Await(Worker& worker, const JobProgress& done,
           const py::object& progress) {
  for (int look = 1;; ++look) {
    // Not by gil_scoped_release: where the interpreter has ended meanwhile, this
    // ends a thread that is not the main one by unwinding it, which no
    // destructor may do.
    PyThreadState* const state = PyEval_SaveThread();
    const bool ended = worker.Wait();
    PyEval_RestoreThread(state);
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (ended) return;
    if (look % kLooksACall == 0) Tell(progress, done);
  }
}

}  // namespace

void RaiseUnlessOk(const absl::Status& status) {
  if (status.ok()) return;
  const std::string message =
      Printable({status.message().data(), status.message().size()});
  const bool bad_input = absl::IsInvalidArgument(status) ||
                         absl::IsUnimplemented(status) ||
                         absl::IsResourceExhausted(status);
  PyErr_SetString(bad_input ? PyExc_ValueError : PyExc_RuntimeError,
                  message.c_str());
  throw py::error_already_set();
}

void CallWork(const std::function<absl::Status(cli::Console&)>& work,
              cli::Console& console, const py::object& progress) {
  absl::Status status;
  {
    Worker worker(work, console);
    try {
      Await(worker, console.progress(), progress);
    } catch (const abi::__forced_unwind&) {
      console.Stop();
      worker.Join();
      throw;
    } catch (...) {
      console.Stop();
      PyThreadState* const state = PyEval_SaveThread();
      worker.Join();
      PyEval_RestoreThread(state);
      throw;
    }
    worker.Join();
    status = worker.Result();
  }
  RaiseUnlessOk(status);
  Tell(progress, console.progress());
}

}  // namespace xmmu::python
