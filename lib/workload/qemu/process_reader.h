#ifndef XMMU_LIB_WORKLOAD_QEMU_PROCESS_READER_H_
#define XMMU_LIB_WORKLOAD_QEMU_PROCESS_READER_H_

// Reads what one process of a spool did, from its fork to its end, program by
// program, and merges its threads by their logical clock. Single-threaded.
//
// Each thread is a task. Where the order of two matters for what is mapped the
// streams say so, by kPost and kAwait:
//   - Before a call that takes a mapping, a right or pages away, its thread
//     awaits all others that did anything since they were last waited for.
//   - After a call that changes mappings its thread posts, and each other awaits
//     that before the next thing that it does.
// All of it goes by the recorded order, so no task waits for one that waits for
// it.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workload/process/op_writer.h"
#include "workload/qemu/access_writer.h"
#include "workload/qemu/block_table.h"
#include "workload/qemu/op_sink.h"
#include "workload/qemu/spool_call.h"
#include "workload/qemu/spool_directory.h"
#include "workload/qemu/spool_facts.h"
#include "workload/qemu/spool_file.h"
#include "workload/qemu/task_ids.h"

namespace xmmu {

class ProcessReader {
 public:
  // A child that a fork has just created.
  struct Birth {
    TaskId task = 0;
    uint64_t pid = 0;
    uint64_t parent = 0;  // its pid
    // It may have another pid in its own sight.
    bool renamed = false;
    bool narrow = false;
    ProcessState state;
    std::shared_ptr<const BlockTable> blocks;
  };

  // Who knows the children that no fork has named yet.
  class Children {
   public:
    virtual ~Children() = default;
    // Returns the pid of the oldest one that `parent` has forked.
    virtual std::optional<uint64_t> FindChild(uint64_t parent) const = 0;
  };

  // What processes of one conversion share.
  struct Shared {
    OpSink& sink;
    TaskIds& ids;
    SpoolCounts& counts;
    const Children& children;
  };

  // `process` outlives the reader. It is task `task`. `blocks` are its parent's,
  // or null for the root, and `narrow` whether that runs a 32-bit program.
  ProcessReader(const SpoolProcess& process, TaskId task, ProcessState state,
                bool narrow, std::shared_ptr<const BlockTable> blocks,
                Shared shared);

  // Reads on to the next fork, and returns the child, or to the end of the
  // process, and returns nothing.
  //
  // Errors: InvalidArgument, `FILE:OFFSET: what`, for what no recording has;
  // and those of the sink.
  absl::StatusOr<std::optional<Birth>> Run();

  // Gives up buffers while a child is read.
  void Release();

  const SpoolProcess& process() const { return process_; }

 private:
  // Times are twice those of the recording's clock, and one more for what
  // happened after the call or return of that clock: an own call has it, another
  // thread's was seen.
  static uint64_t TimeOf(uint64_t clock) { return 2 * clock; }
  static uint64_t TimeBehind(uint64_t clock) { return 2 * clock + 1; }

  // A thread of the running program.
  struct Thread {
    Thread(std::string path, size_t index_of_it)
        : file(std::move(path)), index(index_of_it) {}

    SpoolFile file;
    size_t index;  // among the program's
    TaskId task = 0;
    uint64_t tid = 0;
    uint64_t time = 0;   // when what comes next happened, at least
    uint64_t posts = 0;  // kPost so far
    uint64_t seen = 0;   // the last change that it has awaited
    bool begun = false;  // its first word has been read
    bool acted = false;  // it has operations behind its last kPost
    bool ended = false;
    bool exited = false;            // its kExit is written
    std::optional<SpoolCall> call;  // which it is in
  };
  // A point of a task that others may await.
  struct Point {
    TaskId task = 0;
    uint64_t posts = 0;
  };

  // process_reader.cc: words.
  absl::Status BeginProgram();
  absl::Status BeginThread(Thread& thread);
  // Reads `thread` up to the next word that has a later clock than another
  // thread's, to a fork, or to its end.
  absl::Status Advance(Thread& thread);
  absl::Status ReadAccesses(Thread& thread);
  // These read what is next. `turn_over` says that another thread comes first.
  absl::Status ReadWord(Thread& thread, uint64_t word, bool* turn_over);
  absl::Status NoteTime(Thread& thread, uint64_t time, bool* turn_over);
  absl::Status ReadBlock(Thread& thread, uint64_t id);
  static bool IsCutShort(Thread& thread);
  absl::Status ReadMap(Thread& thread, uint64_t payload);
  absl::Status MapStack(uint64_t start, Region region);
  absl::Status ReadProgram(Thread& thread, uint64_t payload);

  // process_reader_calls.cc
  absl::Status ReadCall(Thread& thread, bool* turn_over);
  TranslatedCall Translate(const SpoolCall& call) const;
  bool MaySucceedHere(const TranslatedCall& translated) const;
  absl::Status ApplyPart(const TranslatedCall& translated);
  absl::Status ProtectKnown(SystemCall call);
  absl::Status AbandonCall(Thread& thread);
  // The call that `thread` is in has returned.
  absl::Status FinishCall(Thread& thread);
  absl::Status Apply(Thread& thread, const TranslatedCall& translated,
                     const SpoolCall& recorded);
  // Writes what a call has become, with what must be awaited before it.
  absl::Status EmitCall(Thread& thread, bool replaces);
  // Gives children and threads the tasks that they are in the stream.
  absl::Status NameTasks(Thread& thread, TranslatedCall& translated,
                         uint64_t offset);
  absl::Status NameThread(Thread& thread, uint64_t tid, TaskId task);
  // Finishes calls of other threads that must have freed what the call takes.
  // What is there in spite of that is unmapped.
  absl::Status FreeFor(Thread& thread, const TranslatedCall& translated,
                       uint64_t offset);
  // Hands the child that the call has created on to the caller of Run().
  void BearChild(const SystemCall& call, int64_t result);

  // process_reader_order.cc
  // Call this before the first operation of a thread in its turn.
  absl::Status BeforeActing(Thread& thread);
  absl::Status Await(Point point);
  absl::Status AwaitOthers(Thread& thread);
  absl::Status PostChange(Thread& thread);
  bool alone() const { return live_ <= 1 && left_.empty(); }

  // process_reader_end.cc
  absl::Status EndThread(Thread& thread);
  absl::Status Leave(Thread& thread);
  absl::Status Exit(Thread& thread);
  absl::Status AdoptThread(uint64_t tid);
  absl::Status AdoptChild(Thread& thread);
  Thread* ThreadInExec();
  absl::Status EndProgram();

  Thread& main() { return *threads_[main_]; }
  absl::Status ErrorAt(const Thread& thread, uint64_t offset,
                       absl::string_view what) const {
    return thread.file.ErrorAt(offset, what);
  }

  const SpoolProcess& process_;
  TaskId task_;
  Shared shared_;
  OpWriter writer_;
  AccessWriter accesses_;
  std::shared_ptr<const BlockTable> blocks_;
  size_t program_ = 0;  // index of the running one, or of the next
  bool running_ = false;
  bool done_ = false;
  bool executes_ = false;  // the program has begun to run
  bool narrow_;            // it is a 32-bit program
  // The pages of the program's stack that its exec wrote to.
  std::optional<AddressMap::Range> exec_stack_;
  std::vector<std::unique_ptr<Thread>> threads_;
  size_t main_ = 0;
  std::set<std::pair<uint64_t, size_t>> queue_;  // time, index of a thread
  uint64_t live_ = 0;                            // threads that have not ended
  uint64_t main_posts_ = 0;  // of the task, in all its programs
  // Threads that have ended, and did something that nobody has awaited.
  std::vector<Point> left_;
  uint64_t changes_ = 0;  // of the mappings, which others have to await
  Point change_;          // the last
  // Threads that clones have named, and their tasks, and the change that the
  // clone came after; those without words so far.
  struct Named {
    TaskId task = 0;
    uint64_t seen = 0;
  };
  absl::btree_map<uint64_t, Named> named_;
  absl::btree_map<uint64_t, TaskId> children_;  // by pid
  // Ends of threads that came after that of the first one, which waits for them.
  std::vector<Point> last_;
  std::optional<Birth> birth_;
  bool renames_children_ = false;  // by a namespace of process ids
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_PROCESS_READER_H_
