// Replays the recording of a program of tests/guest/against_linux and prints at
// each of its marks what the guest kernel says of the process by then, in the
// order in which the program itself prints it (measure.h).
//
//   against_linux_replay THP LOG...
//
// THP is "never", "madvise" or "always".

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "xmmu/guest/guest_kernel.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/policy/policies.h"
#include "xmmu/workload/lackey_trace.h"
#include "xmmu/xen/host.h"

namespace xmmu {
namespace {

// These are FIRST_MARK and kMarksOfAProcess of measure.h.
constexpr VirtAddr kFirstMark{0x700000000};
constexpr uint64_t kMarksOfAProcess = 16;
constexpr uint64_t kProcesses = 16;
// Assumed: several times what the programs touch.
constexpr uint64_t kMemoryMib = 256;

// A workload that hands out one operation at a time, and looks at the guest
// before each mark.
class Marked final : public Workload {
 public:
  Marked(Workload& recorded, const GuestKernel& kernel)
      : recorded_(recorded), kernel_(kernel) {}

  std::string name() const override { return recorded_.name(); }
  TaskId first_task() const override { return recorded_.first_task(); }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    std::span<const GuestOp>& rest = rest_[task];
    if (rest.empty()) {
      absl::StatusOr<std::span<const GuestOp>> more = recorded_.Next(task);
      if (!more.ok()) return more;
      rest = *more;
    }
    const std::span<const GuestOp> next = rest.first(1);
    rest = rest.subspan(1);
    if (IsMark(next.front())) Print(task, next.front());
    return next;
  }

 private:
  static bool IsMark(const GuestOp& op) {
    return op.kind == GuestOpKind::kMap && op.rights == 0 &&
           op.va >= kFirstMark &&
           op.va < kFirstMark + kProcesses * kMarksOfAProcess * kPageSize;
  }
  void Print(TaskId task, const GuestOp& op) {
    const uint64_t mark = (op.va - kFirstMark) >> kPageShift;
    const ResidentMemory resident =
        kernel_.ResidentOf(task).value_or(ResidentMemory());
    std::printf("%ju %ju - %ju %ju %ju %ju %ju %ju\n",
                uintmax_t{mark / kMarksOfAProcess},
                uintmax_t{mark % kMarksOfAProcess},
                uintmax_t{kernel_.MinorFaultsOf(task).value_or(0)},
                uintmax_t{resident.anonymous}, uintmax_t{resident.file},
                uintmax_t{resident.shmem}, uintmax_t{resident.anon_huge},
                uintmax_t{resident.hugetlb});
  }

  Workload& recorded_;
  const GuestKernel& kernel_;
  std::map<TaskId, std::span<const GuestOp>> rest_;
};

absl::Status Replay(Thp thp, std::vector<std::string> logs) {
  absl::StatusOr<std::unique_ptr<Workload>> recorded =
      OpenLackeyTrace(std::move(logs), {});
  if (!recorded.ok()) return recorded.status();
  constexpr PagingMode kMode = PagingMode::k4Level;
  Host host(*FindMachine("skylake-2017"), {});
  const std::unique_ptr<Policy> policy = FindPolicy("native")->make(host);
  const absl::StatusOr<GuestAbi> abi = policy->Abi(kMode);
  if (!abi.ok()) return abi.status();
  const absl::StatusOr<Domain*> domain =
      host.CreateDomain({.mode = kMode,
                         .memory_frames = kMemoryMib << 8,
                         .vcpus = 1,
                         .translated = abi->translated});
  if (!domain.ok()) return domain.status();
  GuestOptions options = DefaultGuestOptions(*abi, kMode);
  options.thp = options.digest_thp = thp;
  absl::StatusOr<std::unique_ptr<GuestKernel>> kernel =
      GuestKernel::Boot(host, *policy, **domain, options);
  if (!kernel.ok()) return kernel.status();
  policy->BootEnded();
  Marked marked(**recorded, **kernel);
  return (*kernel)->Run(marked);
}

}  // namespace
}  // namespace xmmu

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::optional<xmmu::Thp> thp =
      words.empty() ? std::nullopt : xmmu::ParseThp(words[0]);
  if (words.size() < 2 || !thp.has_value()) {
    std::fprintf(stderr, "expected: against_linux_replay THP LOG...\n");
    return 2;
  }
  const absl::Status status =
      xmmu::Replay(*thp, {words.begin() + 1, words.end()});
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return 1;
}
