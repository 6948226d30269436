#ifndef XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_STREAM_H_
#define XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_STREAM_H_

// The operations of one process of a text. Each stream reads the text by
// itself, from its beginning on, so that none has to keep what another is not
// ready for. Single-threaded.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "workload/linux_text/linux_event.h"
#include "workload/linux_text/process_tree.h"
#include "workload/linux_text/text_reader.h"
#include "workload/process/op_writer.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// What the streams of a text have left out or inferred so far.
struct TextStreamCounts {
  uint64_t faults = 0;          // that became accesses
  uint64_t faults_refused = 0;  // that no mapping allows
  uint64_t calls = 0;           // system calls
  uint64_t calls_replaced = 0;  // that contradict what was known before
  uint64_t calls_unpaired = 0;  // that began before the trace
};

class TextStream {
 public:
  struct Child {
    TaskId task = 0;
    uint32_t pid = 0;
    uint64_t line = 0;  // of the fork
    ProcessState state;
  };

  // Reads what `pids` do, from behind `line` on. `tree` and `counts` outlive
  // the stream.
  TextStream(std::string path, TaskId task, std::vector<uint32_t> pids,
             uint64_t line, ProcessState state, bool fetches,
             const ProcessTree& tree, TextStreamCounts& counts);

  // As Workload::Next(). Appends the children that the operations start.
  absl::StatusOr<std::span<const GuestOp>> Next(std::vector<Child>* children);

  // Whether the last operation has been returned.
  bool done() const { return done_; }

 private:
  absl::Status ReadSome(std::vector<Child>* children);
  absl::Status Take(const TextEvent& event, std::vector<Child>* children);
  absl::Status Fault(const LinuxEvent& fault);
  absl::Status Access(const LinuxEvent& fault);
  absl::Status ReleaseHeld();
  absl::Status Fork(std::vector<Child>* children);
  absl::Status Exec(absl::string_view path);
  absl::Status EnterCall(const TextEvent& event, const LinuxEvent& read);
  absl::Status ExitCall(const TextEvent& event, const LinuxEvent& read);
  absl::Status FinishCall(SystemCall call, uint64_t result);
  // Gives what is mapped by a descriptor the identity of a file of its own.
  void NameFile(const SystemCall& call);
  bool Mine(uint32_t pid) const { return calls_.contains(pid); }
  void End();

  std::string path_;
  TaskId task_;
  uint64_t begin_;
  bool fetches_;
  const ProcessTree& tree_;
  TextStreamCounts& counts_;
  OpWriter writer_;
  std::optional<TextReader> reader_;
  // By id of each thread that is alive: the system call that it is in.
  absl::btree_map<uint32_t, std::optional<SystemCall>> calls_;
  // Stores of the kernel's that are of the next program if an exec follows: it
  // clears memory and writes arguments before the event says that it is there.
  std::vector<LinuxEvent> held_;
  uint64_t files_ = 0;  // first mappings of descriptors so far
  bool ended_ = false;
  bool done_ = false;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_STREAM_H_
