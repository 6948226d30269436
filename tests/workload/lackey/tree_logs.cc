#include "workload/lackey/tree_logs.h"

#include <algorithm>
#include <memory>

#include "workload/lackey/trace_support.h"

namespace xmmu {

uint64_t Choices::Below(uint64_t limit) {
  if (!from_bytes_) return random_() % limit;
  uint64_t value = 0;
  for (uint64_t room = limit - 1; room != 0; room >>= 8) {
    value <<= 8;
    if (bytes_.empty()) continue;
    value |= bytes_.front();
    bytes_ = bytes_.subspan(1);
  }
  return value % limit;
}

TreeProcess::TreeProcess(uint32_t pid, const TreeProcess& parent)
    : TreeProcess(parent) {
  pid_ = pid;
  text_.clear();
  for (auto& [number, page] : pages_) page.locked = false;
}

uint64_t TreeProcess::lines() const {
  return static_cast<uint64_t>(std::count(text_.begin(), text_.end(), '\n'));
}

void TreeProcess::Call(int number, const std::string& call, uint64_t result) {
  const std::string head = absl::StrCat("SYSCALL[", pid_, ",1](", number, ") ");
  const std::string success =
      absl::StrCat("Success(0x", absl::Hex(result), ") ");
  if (choices_.OneIn(6)) {  // in two records
    Line(head + call + " --> [async] ... ");
    Line(head + "... [async] --> " + success);
  } else {
    Line(head + call + " --> [pre-success] " + success);
  }
}

void TreeProcess::Exec() {
  text_ += xmmu::Call(pid_, 59, "sys_execve ( 0x1(/bin/y), 0x2, 0x3 )");
  text_ += Head(pid_, 1, choices_.OneIn(2) ? "/bin/y" : "/bin/z");
  pages_.clear();
  attached_.clear();
  brk_ = 0;
  std::erase_if(descriptors_,
                [](const auto& entry) { return entry.second.close_on_exec; });
}

void TreeProcess::Fork(uint32_t child, bool vfork) {
  const bool old = choices_.OneIn(2);
  const char* const call =
      old     ? (vfork ? "58) sys_vfork ( )  fork" : "57) sys_fork ( )  fork")
      : vfork ? "56) sys_clone ( 4111, 0x4844ff0, 0x0, 0x0, 0x0 )   clone(fork)"
              : "56) sys_clone ( 1200011, 0x0, 0x0, 0x4a2aa10, 0x0 )   "
                "clone(fork)";
  Line(absl::StrCat("SYSCALL[", pid_, ",1](", call, ": process ", pid_,
                    " created child ", child));
  Line(absl::StrCat(" --> [pre-success] Success(0x", absl::Hex(child), ") "));
}

void TreeProcess::Wait(uint32_t child) {
  Call(61, absl::StrCat("sys_wait4 ( -1, 0x0, 0, 0x0 )"), child);
}

void TreeProcess::End() { text_ += Tail(pid_); }

namespace {

// A tree in the making. Depth first: a child's log is whole when its parent's
// goes on.
class Tree {
 public:
  Tree(Choices& choices, bool with_impossible)
      : choices_(choices), wants_impossible_(with_impossible) {}

  TreeLogs Make() {
    TreeProcess first(kFirstPid, choices_);
    Grow(first, kFirstPid, Head(kFirstPid), 0);
    return std::move(made_);
  }

 private:
  static constexpr uint32_t kFirstPid = 100;
  static constexpr uint32_t kMostProcesses = 12;

  void Grow(TreeProcess& process, uint32_t pid, const std::string& head,
            int depth) {
    const size_t index = made_.logs.size();
    const uint64_t head_lines =
        static_cast<uint64_t>(std::count(head.begin(), head.end(), '\n'));
    made_.logs.push_back({absl::StrCat("tree.", pid, ".log"), ""});
    std::vector<uint32_t> children;
    for (uint64_t steps = 4 + choices_.Below(60); steps > 0; --steps) {
      if (depth < 4 && processes_ < kMostProcesses && choices_.OneIn(9)) {
        children.push_back(Birth(process, pid, depth));
      } else if (!children.empty() && choices_.OneIn(4)) {
        process.Wait(children.back());
        children.pop_back();
      } else if (choices_.OneIn(25)) {
        process.Exec();
      } else {
        process.Step();
      }
      if (wants_impossible_ && !made_.impossible && choices_.OneIn(40)) {
        Spoil(process, index, head_lines);
      }
    }
    // At the latest the first process, when all others have ended.
    if (wants_impossible_ && !made_.impossible && depth == 0) {
      Spoil(process, index, head_lines);
    }
    process.End();
    made_.logs[index].text = head + process.text();
  }

  uint32_t Birth(TreeProcess& parent, uint32_t parent_pid, int depth) {
    const uint32_t pid = kFirstPid + ++processes_;
    parent.Fork(pid, choices_.OneIn(3));
    TreeProcess child(pid, parent);
    Grow(child, pid, ForkedHead(pid, parent_pid), depth + 1);
    return pid;
  }

  void Spoil(TreeProcess& process, size_t index, uint64_t head_lines) {
    const std::string what = process.Impossible();
    made_.impossible =
        TreeLogs::Impossible{index, head_lines + process.lines(), what};
  }

  Choices& choices_;
  const bool wants_impossible_;
  uint32_t processes_ = 0;
  TreeLogs made_;
};

}  // namespace

TreeLogs MakeTreeLogs(Choices& choices, bool with_impossible) {
  return Tree(choices, with_impossible).Make();
}

}  // namespace xmmu
