#ifndef XMMU_LIB_WORKLOAD_LACKEY_TASK_STREAM_H_
#define XMMU_LIB_WORKLOAD_LACKEY_TASK_STREAM_H_

// The stream of one recorded process: reads its log on and on, block by block.
// Single-threaded.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "workload/lackey/log_file.h"
#include "workload/lackey/op_writer.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// What the first lines of a log say, before its first record.
struct LogHead {
  std::string path;
  TaskId pid = 0;
  TaskId parent = 0;
  std::string program;  // first word of "Command:"
  // The log starts behind a fork, in its parent's program, and not with a
  // program of its own.
  bool forked = false;
};

// Errors: InvalidArgument, `FILE:LINE: ...`, for what is no Lackey log.
absl::StatusOr<LogHead> ReadLogHead(const std::string& path);

class TaskStream {
 public:
  // A child that a fork in the stream has created.
  struct Birth {
    TaskId child = 0;
    uint64_t line = 0;   // of the fork
    ProcessState state;  // at the fork
  };

  // `forked`: the process was created by a fork that left it `state`.
  TaskStream(const LogHead& head, bool forked, ProcessState state,
             bool fetches);

  // As Workload::Next(). `births` gets the children that the operations create.
  absl::StatusOr<std::span<const GuestOp>> Next(std::vector<Birth>* births);

  // Whether kExit has been returned.
  bool done() const { return done_; }

  // `FILE:LINE: what`.
  absl::Status ErrorAt(uint64_t line, absl::string_view what) const {
    return LogError(head_.path, line, what);
  }

 private:
  struct CachedWindow {
    AccessWindow window;
    uint64_t generation = 0;
  };
  // A record that goes on in a later line.
  struct OpenRecord {
    std::string text;  // so far
    uint64_t number = 0;
    uint64_t line = 0;    // its first
    std::string problem;  // what is wrong if it does not go on
  };
  // A call without its result yet. The path is a copy: the line is gone.
  struct PendingCall {
    SystemCall call;
    std::string path;

    SystemCall Call() const {
      SystemCall whole = call;
      whole.path = path;
      return whole;
    }
  };

  absl::Status Start();
  absl::Status Refill();
  absl::Status ReadBlock(std::vector<Birth>* births);
  // One line, or its rest. The cursor is behind it when it returns.
  absl::Status ReadLine(std::vector<Birth>* births);
  absl::Status ReadAccess(GuestOpKind kind, const char* digits);
  absl::Status ReadOther(std::vector<Birth>* births);
  absl::Status ReadMessage(absl::string_view line);
  absl::Status ReadForkReturn(absl::string_view line);
  absl::Status ReadSuperblock(absl::string_view line);
  absl::Status ReadCall(absl::string_view line, std::vector<Birth>* births);
  // A line while a record is open.
  absl::Status ReadMore(std::vector<Birth>* births);
  absl::Status Take(const SystemCallRecord& record, std::vector<Birth>* births);
  absl::Status NextImage();
  absl::Status Access(GuestOpKind kind, uint64_t va, uint64_t length);
  absl::Status Finish(const SystemCall& call, const SystemCallResult& result,
                      std::vector<Birth>* births);
  absl::Status End();
  // Whether the log has what a replay needs: recording options can lose it.
  absl::Status CheckWhole() const;
  absl::Status Unended() const;
  void Exit();
  bool final() const { return counting_ || closed_; }
  std::optional<PendingCall> TakePending(uint32_t thread);
  void NoteEnding(absl::string_view text);
  absl::Status Malformed() const;
  absl::string_view RestOfLine() const;
  // Moves over `length` bytes and a newline behind them.
  void Advance(size_t length);

  LogHead head_;
  bool forked_;
  bool fetches_;
  bool forked_return_;  // the return of the fork is still to come
  OpWriter writer_;
  std::unique_ptr<LogFile> file_;
  const char* cursor_ = nullptr;
  const char* limit_ = nullptr;
  uint64_t line_ = 1;  // of the cursor
  std::array<CachedWindow, 16> windows_;
  absl::btree_map<uint32_t, PendingCall> pending_;  // by thread
  std::optional<OpenRecord> open_;
  uint64_t last_call_ = 0;  // the number of the last one that began
  bool accessed_ = false;   // the log has an access
  bool called_ = false;     // the log has a system call
  bool executed_ = false;   // the process certainly executed instructions
  // How near the end is. Other threads can have records behind an exit_group,
  // but nothing has any behind Lackey's counts.
  bool thread_exited_ = false;
  bool exited_ = false;
  bool killed_ = false;
  bool counting_ = false;
  bool closed_ = false;      // the exit code, the last line of all
  bool ended_ = false;       // a log may end here
  bool first_image_ = true;  // before the first header
  bool renamed_ = false;     // the next "Command:" names a new program
  bool started_ = false;
  bool done_ = false;
  absl::Status failure_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_TASK_STREAM_H_
