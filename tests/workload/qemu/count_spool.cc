// Converts a spool and prints what it has become: the operations of each kind,
// and what the conversion has counted.
//
// Usage: count_spool DIRECTORY [tasks]

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string>

#include "workload/qemu/convert_spool.h"

namespace xmmu {
namespace {

constexpr size_t kKinds = static_cast<size_t>(GuestOpKind::kAwait) + 1;
constexpr std::array<const char*, kKinds> kNames = {
    "fetch",   "load",    "store",  "modify", "map",   "unmap", "protect",
    "remap",   "discard", "advise", "in",     "out",   "open",  "close",
    "remove",  "fork",    "vfork",  "exec",   "clone", "wait",  "yield",
    "syscall", "exit",    "post",   "await"};

using Kinds = std::array<uint64_t, kKinds>;

class Counter : public OpSink {
 public:
  absl::Status Append(TaskId task, std::span<const GuestOp> ops) override {
    Kinds& kinds = tasks[task];
    for (const GuestOp& op : ops) ++kinds[static_cast<size_t>(op.kind)];
    return absl::OkStatus();
  }

  std::map<TaskId, Kinds> tasks;
};

void Print(const char* of, const Kinds& kinds) {
  printf("%s:", of);
  for (size_t i = 0; i < kKinds; ++i) {
    if (kinds[i] != 0) {
      printf(" %s %llu", kNames[i], static_cast<unsigned long long>(kinds[i]));
    }
  }
  printf("\n");
}

int Main(int argc, char** argv) {
  if (argc < 2) return 2;
  const auto head = ReadSpoolHead(argv[1]);
  Counter counter;
  const auto counts = ConvertSpool(argv[1], counter);
  if (!head.ok() || !counts.ok()) {
    const absl::Status& status = head.ok() ? counts.status() : head.status();
    fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 1;
  }
  printf("command: %s\n", head->facts.command.c_str());
  Kinds all{};
  for (const auto& [task, kinds] : counter.tasks) {
    if (argc > 2) Print(std::to_string(task).c_str(), kinds);
    for (size_t i = 0; i < kKinds; ++i) all[i] += kinds[i];
  }
  Print("all", all);
  printf("tasks: %zu\n", counter.tasks.size());
  for (const auto& [name, value] : *counts) {
    printf("%s: %llu\n", name.c_str(), static_cast<unsigned long long>(value));
  }
  return 0;
}

}  // namespace
}  // namespace xmmu

int main(int argc, char** argv) { return xmmu::Main(argc, argv); }
