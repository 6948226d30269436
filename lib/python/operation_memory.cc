#include "python/operation_memory.h"

#include <pybind11/stl.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "cli/console.h"
#include "python/call.h"
#include "python/values.h"
#include "workload/inspect/op_names.h"
#include "workload/inspect/stream_merger.h"
#include "xmmu/workload/trace.h"

namespace xmmu::python {
namespace {

namespace py = pybind11;

constexpr py::ssize_t kOpBytes = sizeof(GuestOp);

// Where the operations are in `buffer`.
absl::StatusOr<OperationArray> ArrayOf(const Py_buffer& buffer) {
  const auto* const first = static_cast<const std::byte*>(buffer.buf);
  if (buffer.ndim == 1 && buffer.itemsize == kOpBytes) {
    return OperationArray{first, static_cast<size_t>(buffer.shape[0]),
                          buffer.strides[0]};
  }
  if (buffer.ndim == 1 && buffer.itemsize == 1 && buffer.strides[0] == 1 &&
      buffer.len % kOpBytes == 0) {
    return OperationArray{first, static_cast<size_t>(buffer.len / kOpBytes)};
  }
  return absl::InvalidArgumentError(
      "want an array of one dimension with dtype xmmu.operation_dtype");
}

// Operations that a trace has given, for NumPy to look at.
struct OperationBuffer {
  std::vector<GuestOp> ops;
};

// What has been read of a trace.
struct ReadTasks {
  std::vector<TaskId> order;  // in which they began
  absl::btree_map<TaskId, std::unique_ptr<OperationBuffer>> tasks;
};

// Reads at most `most` operations of the trace.
absl::Status ReadTrace(const std::vector<std::string>& files, uint64_t most,
                       uint64_t address_limit, cli::Console& console,
                       ReadTasks& read) {
  auto trace = OpenTrace(files, {.address_limit = address_limit});
  if (!trace.ok()) return trace.status();
  StreamMerger merger(**trace);
  while (most > 0) {
    if (console.stop().stop_requested()) return absl::CancelledError("stopped");
    const auto piece = merger.Next();
    if (!piece.ok()) return piece.status();
    if (piece->ops.empty()) break;
    std::unique_ptr<OperationBuffer>& task = read.tasks[piece->task];
    if (task == nullptr) {
      task = std::make_unique<OperationBuffer>();
      read.order.push_back(piece->task);
    }
    const size_t count =
        static_cast<size_t>(std::min<uint64_t>(most, piece->ops.size()));
    task->ops.insert(task->ops.end(), piece->ops.begin(),
                     piece->ops.begin() + static_cast<std::ptrdiff_t>(count));
    most -= count;
    console.progress().AddOperations(count);
  }
  return absl::OkStatus();
}

py::list OperationsOfTrace(const std::vector<std::string>& files,
                           std::optional<uint64_t> most, uint64_t address_limit,
                           const py::object& progress) {
  ReadTasks read;
  std::optional<Document> none;
  cli::Console console(none);
  CallWork(
      [&](cli::Console& own) {
        return ReadTrace(files, most.value_or(UINT64_MAX), address_limit, own,
                         read);
      },
      console, progress);
  py::list tasks;
  for (const TaskId task : read.order) {
    tasks.append(py::make_tuple(task, std::move(read.tasks.at(task))));
  }
  return tasks;
}

// A field of GuestOp as NumPy and struct name its type.
struct OpFieldRow {
  std::string_view name;
  std::string_view format;
  size_t offset;
};
static_assert(sizeof(VirtAddr) == 8 && sizeof(TaskId) == 4);
constexpr OpFieldRow kOpFields[] = {
    {"kind", "u1", offsetof(GuestOp, kind)},
    {"rights", "u1", offsetof(GuestOp, rights)},
    {"backing", "u1", offsetof(GuestOp, backing)},
    {"flags", "u1", offsetof(GuestOp, flags)},
    {"page_shift", "u1", offsetof(GuestOp, page_shift)},
    {"advice", "u1", offsetof(GuestOp, advice)},
    {"va", "u8", offsetof(GuestOp, va)},
    {"length", "u8", offsetof(GuestOp, length)},
    {"target", "u8", offsetof(GuestOp, target)},
    {"new_length", "u8", offsetof(GuestOp, new_length)},
    {"child", "u4", offsetof(GuestOp, child)},
    {"file", "u4", offsetof(GuestOp, file)},
    {"file_offset", "u8", offsetof(GuestOp, file_offset)},
};

// What numpy.dtype() takes.
py::dict OperationLayout() {
  py::list names;
  py::list formats;
  py::list offsets;
  for (const OpFieldRow& row : kOpFields) {
    names.append(TextValue(row.name));
    formats.append(TextValue(row.format));
    offsets.append(row.offset);
  }
  py::dict layout;
  layout["names"] = names;
  layout["formats"] = formats;
  layout["offsets"] = offsets;
  layout["itemsize"] = sizeof(GuestOp);
  return layout;
}

struct NamedBits {
  std::string_view name;
  int bits;
};
constexpr NamedBits kRights[] = {
    {"READ", kMapRead}, {"WRITE", kMapWrite}, {"EXECUTE", kMapExecute}};
constexpr NamedBits kFlags[] = {{"POPULATE", kMapPopulate},
                                {"LOCKED", kMapLocked},
                                {"LOCK_ON_FAULT", kMapLockOnFault},
                                {"ZERO_FILLED", kMapZeroFilled},
                                {"ONE_PAGE_FAULTS", kMapOnePageFaults},
                                {"CALL_GOES_ON", kCallGoesOn}};
constexpr NamedBits kAdvices[] = {
    {"HUGE_PAGE", static_cast<int>(Advice::kHugePage)},
    {"NO_HUGE_PAGE", static_cast<int>(Advice::kNoHugePage)},
    {"POPULATE_READ", static_cast<int>(Advice::kPopulateRead)},
    {"POPULATE_WRITE", static_cast<int>(Advice::kPopulateWrite)},
    {"DONT_FORK", static_cast<int>(Advice::kDontFork)},
    {"DO_FORK", static_cast<int>(Advice::kDoFork)},
    {"WIPE_ON_FORK", static_cast<int>(Advice::kWipeOnFork)},
    {"KEEP_ON_FORK", static_cast<int>(Advice::kKeepOnFork)},
    {"FREE", static_cast<int>(Advice::kFree)},
    {"LOCK", static_cast<int>(Advice::kLock)},
    {"LOCK_ON_FAULT", static_cast<int>(Advice::kLockOnFault)},
    {"UNLOCK", static_cast<int>(Advice::kUnlock)}};

template <typename Rows>
py::dict BitsOf(const Rows& rows) {
  py::dict named;
  for (const NamedBits& row : rows) named[TextValue(row.name)] = row.bits;
  return named;
}

// {enumeration: {name: number}}; names are those of reports, or of C++.
py::dict OperationNames() {
  py::dict kinds;
  for (const OpKindRow& row : OpKindRows()) {
    kinds[TextValue(row.name)] = static_cast<int>(row.kind);
  }
  py::dict backings;
  for (const BackingRow& row : BackingRows()) {
    backings[TextValue(row.name)] = static_cast<int>(row.backing);
  }
  py::dict names;
  names["Kind"] = kinds;
  names["Backing"] = backings;
  names["Rights"] = BitsOf(kRights);
  names["Flags"] = BitsOf(kFlags);
  names["Advice"] = BitsOf(kAdvices);
  return names;
}

}  // namespace

OperationMemory::OperationMemory(
    std::string name, const std::vector<std::pair<TaskId, py::object>>& tasks) {
  set_.name = std::move(name);
  if (!tasks.empty()) set_.first_task = tasks.front().first;
  buffers_.reserve(tasks.size());
  absl::Status status;
  for (const auto& [task, object] : tasks) {
    Py_buffer buffer;
    if (PyObject_GetBuffer(object.ptr(), &buffer, PyBUF_FULL_RO) != 0) {
      Release();
      throw py::error_already_set();
    }
    buffers_.push_back(buffer);
    const auto array = ArrayOf(buffer);
    status.Update(array.status());
    if (array.ok()) set_.tasks[task] = *array;
  }
  if (status.ok()) {
    const py::gil_scoped_release release;
    status = CheckOperations(set_);
  }
  if (status.ok()) return;
  Release();
  RaiseUnlessOk(status);
}

OperationMemory::~OperationMemory() { Release(); }

void OperationMemory::Release() {
  for (Py_buffer& buffer : buffers_) PyBuffer_Release(&buffer);
  buffers_.clear();
}

void AddOperations(py::module_& module) {
  py::class_<OperationMemory>(module, "Operations")
      .def(py::init<std::string,
                    const std::vector<std::pair<TaskId, py::object>>&>());
  py::class_<OperationBuffer>(module, "OperationBuffer", py::buffer_protocol())
      .def_buffer([](OperationBuffer& buffer) {
        return py::buffer_info(
            buffer.ops.data(), 1, "B",
            static_cast<py::ssize_t>(buffer.ops.size()) * kOpBytes);
      });
  module.def("read_trace", &OperationsOfTrace);
  module.def("operation_layout", &OperationLayout);
  module.def("operation_names", &OperationNames);
}

}  // namespace xmmu::python
