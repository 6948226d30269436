#ifndef XMMU_LIB_WORKLOAD_LACKEY_TASK_STREAM_H_
#define XMMU_LIB_WORKLOAD_LACKEY_TASK_STREAM_H_

// The stream of one recorded process, which reads its log block by block.
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
#include "workload/input/file_error.h"
#include "workload/lackey/call_record.h"
#include "workload/lackey/log_file.h"
#include "workload/process/op_writer.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// The first lines of a log, before its first record.
struct LogHead {
  std::string path;
  TaskId pid = 0;
  TaskId parent = 0;
  std::string command;  // what is behind "Command:"
  std::string program;  // its first word
  // Whether the log starts behind a fork, in the parent's program, and not with
  // a program of its own.
  bool forked = false;
};

// Errors: InvalidArgument, `FILE:LINE: ...`, unless it is a Lackey log.
absl::StatusOr<LogHead> ReadLogHead(const std::string& path);

class TaskStream {
 public:
  // A child that a fork in the stream has created.
  struct Birth {
    TaskId child = 0;
    uint64_t line = 0;   // of the fork
    ProcessState state;  // at the fork
  };

  // With `forked` the process was created by a fork that left it `state`.
  TaskStream(const LogHead& head, bool forked, ProcessState state,
             bool fetches);

  // As Workload::Next(). `births` gets the children that the operations create.
  absl::StatusOr<std::span<const GuestOp>> Next(std::vector<Birth>* births);

  // Whether kExit has been returned.
  bool done() const { return done_; }

  // Returns the error `FILE:LINE: what`.
  absl::Status ErrorAt(uint64_t line, absl::string_view what) const {
    return FileError(head_.path, line, what);
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
  // A call whose result is in a later record. The strings are copies, as the
  // line is gone by then.
  struct PendingCall {
    SystemCall call;
    std::string path;
    std::string other_path;

    SystemCall Call() const {
      SystemCall whole = call;
      whole.path = path;
      whole.other_path = other_path;
      return whole;
    }
  };

  absl::Status Start();
  // Gets the next block of the log; at its end checks that the log is whole.
  absl::Status Refill();
  absl::Status ReadBlock(std::vector<Birth>* births);
  // Reads one line, or its rest, and leaves the cursor behind it.
  absl::Status ReadLine(std::vector<Birth>* births);
  // Reads "ADDRESS,SIZE" at `digits`. This is the hot path of a replay.
  absl::Status ReadAccess(GuestOpKind kind, const char* digits);
  // Reads a line that is no access.
  absl::Status ReadOther(std::vector<Birth>* births);
  absl::Status ReadMessage(absl::string_view line);
  absl::Status ReadForkReturn(absl::string_view line);
  absl::Status ReadSuperblock(absl::string_view line);
  absl::Status ReadCall(absl::string_view line, std::vector<Birth>* births);
  // Reads a line while a record is open.
  absl::Status ReadMore(std::vector<Birth>* births);
  // Takes a record in: a call begins, ends, or both.
  absl::Status Take(const SystemCallRecord& record, std::vector<Birth>* births);
  // The head of another program's log begins: an exec has succeeded.
  absl::Status NextImage();
  absl::Status Access(GuestOpKind kind, uint64_t va, uint64_t length);
  absl::Status Finish(const SystemCall& call, const SystemCallResult& result,
                      std::vector<Birth>* births);
  absl::Status End();
  // Checks that the log has what a replay needs: recording options can leave it
  // out.
  absl::Status CheckWhole() const;
  // The error of a log that ends before its process does.
  absl::Status Unended() const;
  void Exit();
  // Whether the process has ended for certain, so that no record may follow.
  bool final() const { return counting_ || closed_; }
  std::optional<PendingCall> TakePending(uint32_t thread);
  // Notes a message that tells how near the end of the log is.
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
  uint64_t line_ = 1;  // the cursor's line
  std::array<CachedWindow, 16> windows_;
  absl::btree_map<uint32_t, PendingCall> pending_;  // by thread
  std::optional<OpenRecord> open_;
  uint64_t last_call_ = 0;  // number of the last call that began
  bool accessed_ = false;   // the log has an access
  bool called_ = false;     // the log has a system call
  bool executed_ = false;   // the process certainly executed instructions
  // These tell how near the end is. Other threads can have records behind an
  // exit_group, but there is none behind Lackey's counts.
  bool thread_exited_ = false;
  bool exited_ = false;
  bool killed_ = false;
  bool counting_ = false;
  bool closed_ = false;      // the exit code came, the last line
  bool ended_ = false;       // a log may end here
  bool first_image_ = true;  // no head of a log has been read yet
  bool renamed_ = false;     // the next "Command:" names a new program
  bool started_ = false;
  bool done_ = false;
  absl::Status failure_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_TASK_STREAM_H_
