// Counts the operations of a recording, for record_test.sh and by hand:
//
//   guest_trace_count FILE...
//
// Exit status 2 and one line for a trace that cannot be read.

#include <array>
#include <cstdio>
#include <deque>

#include "xmmu/workload/lackey_trace.h"

namespace {

constexpr std::array<const char*, 23> kKinds = {
    "fetch",   "load",  "store",   "modify",  "map",     "unmap",
    "protect", "remap", "discard", "advise",  "copy-in", "copy-out",
    "open",    "close", "remove",  "fork",    "vfork",   "exec",
    "clone",   "wait",  "yield",   "syscall", "exit"};

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  auto workload = xmmu::OpenLackeyTrace({argv + 1, argv + argc}, {});
  if (!workload.ok()) return Fail(workload.status());
  std::array<unsigned long long, kKinds.size()> counts{};
  std::deque<xmmu::TaskId> ready{(*workload)->first_task()};
  while (!ready.empty()) {
    const xmmu::TaskId task = ready.front();
    ready.pop_front();
    const auto ops = (*workload)->Next(task);
    if (!ops.ok()) return Fail(ops.status());
    for (const xmmu::GuestOp& op : *ops) {
      ++counts[static_cast<size_t>(op.kind)];
      if (op.kind == xmmu::GuestOpKind::kFork ||
          op.kind == xmmu::GuestOpKind::kVfork) {
        ready.push_back(op.child);
      }
    }
    if (ops->back().kind != xmmu::GuestOpKind::kExit) ready.push_back(task);
  }
  for (size_t i = 0; i < kKinds.size(); ++i) {
    std::printf("%s %llu\n", kKinds[i], counts[i]);
  }
  return 0;
}
