#include "workload/linux_text/process_tree.h"

#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "workload/linux_text/xen_event.h"
#include "workload/process/call_number.h"

namespace xmmu {
namespace {

// Linux, kernel/kthread.c: the parent of all threads of the kernel is the
// second process that there is.
constexpr uint32_t kKthreadd = 2;
constexpr size_t kMostEventNames = 4096;  // the rest is counted in one

// What is known of a fork until the text ends.
struct ForkFound {
  TextBirth birth;
  std::optional<bool> thread_by_call;
  std::optional<bool> thread_by_group;
  bool vfork_by_call = false;
  bool built_tables = false;
  bool execs = false;
};

// One use of a process id.
struct ThreadFound {
  std::optional<size_t> fork;      // index
  std::optional<size_t> root;      // index
  std::optional<SystemCall> call;  // that it is in
};

class TreeReader {
 public:
  absl::StatusOr<ProcessTree> Read(const std::string& path);

 private:
  absl::Status Take(const TextEvent& event, uint64_t line);
  void Note(const TextEvent& event);
  void TakeXen(const TextEvent& event);
  void TakeFork(const TextEvent& event, const LinuxEvent& read, uint64_t line);
  void TakeExec(const TextEvent& event, const LinuxEvent& read);
  ThreadFound& ThreadOf(const TextEvent& event);
  void JoinRoot(const TextEvent& event, ThreadFound& thread);
  void Decide(ForkFound& fork);
  absl::Status NameTasks();
  absl::StatusOr<TaskId> NewTask(uint32_t pid);

  ProcessTree tree_;
  std::vector<ForkFound> forks_;
  absl::flat_hash_map<uint32_t, ThreadFound> threads_;  // by id, now alive
  absl::flat_hash_map<uint32_t, size_t> root_of_group_;
  absl::flat_hash_map<uint32_t, uint32_t> uses_;  // of an id by tasks
  absl::flat_hash_map<uint32_t, bool> seen_;      // id -> has memory
  // Threads that have made tables, or pinned a root, since they were last in
  // user mode.
  absl::flat_hash_set<uint32_t> building_;
  bool tables_told_ = false;  // `xen:` events of tables are there
};

void TreeReader::Note(const TextEvent& event) {
  if (tree_.events++ == 0) {
    tree_.rendering = event.rendering;
    tree_.seconds = event.seconds;
  }
  std::string name(event.name);
  if (event.enters) name = absl::StrCat("sys_enter_", name);
  if (event.exits) name = absl::StrCat("sys_exit_", name);
  name = Printable(name);
  const bool known = tree_.by_name.contains(name);
  if (!known && tree_.by_name.size() >= kMostEventNames) name = "others";
  ++tree_.by_name[name];
  seen_.try_emplace(event.pid, false);
}

void TreeReader::TakeXen(const TextEvent& event) {
  const bool pins = event.name == "xen_mmu_pgd_pin";
  // Tables of a tree that is in use are announced as pinned: those are of
  // faults.
  const bool announces = event.name == "xen_mmu_alloc_ptpage" &&
                         absl::EndsWith(event.arguments, " unpinned");
  if (!pins && !announces) return;
  tables_told_ = true;
  building_.insert(event.pid);
}

// The thread that an event is of, which was there before the trace if no fork
// tells of it.
ThreadFound& TreeReader::ThreadOf(const TextEvent& event) {
  seen_[event.pid] = true;
  ThreadFound& thread = threads_[event.pid];
  if (!thread.fork.has_value() && !thread.root.has_value()) {
    JoinRoot(event, thread);
  }
  if (thread.fork.has_value() && event.group != 0 &&
      forks_[*thread.fork].birth.pid == event.pid) {
    forks_[*thread.fork].thread_by_group = event.group != event.pid;
  }
  return thread;
}

void TreeReader::JoinRoot(const TextEvent& event, ThreadFound& thread) {
  const uint32_t group = event.group != 0 ? event.group : event.pid;
  const auto [known, is_new] =
      root_of_group_.try_emplace(group, tree_.roots.size());
  // A process whose threads have all ended is another one.
  if (is_new) {
    tree_.roots.emplace_back().task = group;
  }
  thread.root = known->second;
  tree_.roots[known->second].pids.push_back(event.pid);
}

void TreeReader::TakeFork(const TextEvent& event, const LinuxEvent& read,
                          uint64_t line) {
  if (event.pid == kKthreadd) return;
  ThreadFound& parent = ThreadOf(event);
  ForkFound& fork = forks_.emplace_back();
  fork.birth.line = line;
  fork.birth.pid = read.pid;
  fork.built_tables = building_.erase(event.pid) != 0;
  if (parent.call.has_value()) {
    const SystemCall& call = *parent.call;
    const uint64_t flags = call.args[0];
    if (call.number == kForkCall || call.number == kVforkCall) {
      fork.thread_by_call = false;
      fork.vfork_by_call = call.number == kVforkCall;
    } else if (call.number == kClone) {
      fork.vfork_by_call = (flags & kCloneVfork) != 0;
      fork.thread_by_call =
          (flags & kCloneSharesMemory) != 0 && !fork.vfork_by_call;
    }
  }
  ThreadFound child;
  child.fork = forks_.size() - 1;
  threads_[read.pid] = child;
  seen_[read.pid] = true;
}

void TreeReader::TakeExec(const TextEvent& event, const LinuxEvent& read) {
  // A thread that executes gets the id of its process, whose other threads have
  // ended (de_thread, Linux, fs/exec.c).
  const auto renamed = threads_.find(read.old_pid);
  if (read.old_pid != read.pid && renamed != threads_.end()) {
    const ThreadFound found = renamed->second;
    threads_.erase(renamed);
    threads_[read.pid] = found;
  }
  ThreadFound& thread = ThreadOf(event);
  if (thread.fork.has_value() && read.old_pid == read.pid) {
    forks_[*thread.fork].execs = true;
  }
  if (tree_.command.empty()) tree_.command = Printable(std::string(read.path));
  building_.erase(event.pid);
  thread.call.reset();
}

absl::Status TreeReader::Take(const TextEvent& event, uint64_t line) {
  const absl::StatusOr<LinuxEvent> read = ParseLinuxEvent(event);
  if (!read.ok()) return read.status();
  switch (read->kind) {
    case LinuxEventKind::kFault:
      if (read->address == 0) break;
      ThreadOf(event);
      building_.erase(event.pid);
      break;
    case LinuxEventKind::kFork:
      TakeFork(event, *read, line);
      break;
    case LinuxEventKind::kExec:
      TakeExec(event, *read);
      break;
    case LinuxEventKind::kExit:
      threads_.erase(event.pid);
      root_of_group_.erase(event.pid);
      break;
    case LinuxEventKind::kCallEnter:
      ThreadOf(event).call = read->call;
      building_.erase(event.pid);
      break;
    case LinuxEventKind::kCallExit:
      ThreadOf(event).call.reset();
      building_.erase(event.pid);
      break;
    case LinuxEventKind::kSwitch:
      break;
    case LinuxEventKind::kOther:
      if (!absl::StartsWith(event.name, "xen_")) break;
      TakeXen(event);
      return ParseXenEvent(event).status();
  }
  return absl::OkStatus();
}

void TreeReader::Decide(ForkFound& fork) {
  bool thread = false;
  bool suspends = false;
  if (fork.thread_by_call.has_value()) {
    thread = *fork.thread_by_call;
    suspends = fork.vfork_by_call;
  } else if (fork.thread_by_group.has_value()) {
    thread = *fork.thread_by_group;
    suspends = !thread && tables_told_ && !fork.built_tables;
  } else if (tables_told_) {
    suspends = !fork.built_tables && fork.execs;
    thread = !fork.built_tables && !fork.execs;
  } else if (!fork.execs) {
    ++tree_.assumed_forks;
  }
  fork.birth.task = thread ? 0 : fork.birth.pid;
  fork.birth.suspends = suspends;
}

// An id that is used again names another task: beyond all ids that Linux gives.
absl::StatusOr<TaskId> TreeReader::NewTask(uint32_t pid) {
  const uint64_t use = uses_[pid]++;
  const uint64_t task = pid + use * kProcessIdEnd * 2;
  if (task <= UINT32_MAX) return static_cast<TaskId>(task);
  return absl::InvalidArgumentError(
      absl::StrCat("process id ", pid, " is given to ", use,
                   " processes, expected a shorter trace"));
}

absl::Status TreeReader::NameTasks() {
  for (TextRoot& root : tree_.roots) {
    const auto task = NewTask(root.task);
    if (!task.ok()) return task.status();
    root.task = *task;
  }
  for (ForkFound& fork : forks_) {
    Decide(fork);
    if (fork.birth.task != 0) {
      const auto task = NewTask(fork.birth.pid);
      if (!task.ok()) return task.status();
      fork.birth.task = *task;
    }
    tree_.births.push_back(fork.birth);
  }
  return absl::OkStatus();
}

absl::StatusOr<ProcessTree> TreeReader::Read(const std::string& path) {
  absl::StatusOr<TextReader> reader = TextReader::Open(path);
  if (!reader.ok()) return reader.status();
  for (;;) {
    const auto event = reader->Next();
    if (!event.ok()) return event.status();
    if (!event->has_value()) break;
    Note(**event);
    const absl::Status taken = Take(**event, reader->line());
    if (!taken.ok()) return reader->Error(taken.message());
  }
  if (tree_.roots.empty()) {
    return reader->Error(
        "no event of a process's memory up to here, expected page_fault_user, "
        "sched_process_fork and their kin");
  }
  const absl::Status named = NameTasks();
  if (!named.ok()) return reader->Error(named.message());
  tree_.lost = reader->lost();
  for (const auto& [pid, thread] : threads_) {
    const bool leads = thread.root.has_value()
                           ? tree_.roots[*thread.root].pids.front() == pid
                           : forks_[*thread.fork].birth.task != 0;
    tree_.unended += leads ? 1 : 0;
  }
  for (const auto& [pid, has_memory] : seen_)
    tree_.others += has_memory ? 0 : 1;
  return std::move(tree_);
}

}  // namespace

const TextBirth* ProcessTree::BirthAt(uint64_t line) const {
  const auto found = std::lower_bound(
      births.begin(), births.end(), line,
      [](const TextBirth& birth, uint64_t at) { return birth.line < at; });
  return found != births.end() && found->line == line ? &*found : nullptr;
}

absl::StatusOr<ProcessTree> ReadProcessTree(const std::string& path) {
  return TreeReader().Read(path);
}

}  // namespace xmmu
