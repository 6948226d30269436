// A workload of one's own: a program that goes through an array again and
// again, one access a page, and what address translation takes of it. As long
// as the first TLB reaches over the array that is nothing; then the second TLB
// serves it, and beyond that each access walks.

#include <cstdio>
#include <string>
#include <vector>

#include "xmmu/workload/workload.h"
#include "xmmu/xmmu.h"

namespace {

class ArrayWalk final : public xmmu::Workload {
 public:
  explicit ArrayWalk(uint64_t pages) : pages_(pages) {}

  std::string name() const override {
    return "array-walk:pages=" + std::to_string(pages_);
  }
  xmmu::TaskId first_task() const override { return 1; }

  // The kernel asks for more whenever the last answer is used up: first the
  // array, then a round of accesses at a time, at last the exit.
  absl::StatusOr<std::span<const xmmu::GuestOp>> Next(xmmu::TaskId) override {
    ops_.clear();
    if (round_ == 0) {
      ops_.push_back({.kind = xmmu::GuestOpKind::kMap,
                      .rights = xmmu::kMapRead | xmmu::kMapWrite,
                      .va = kArray,
                      .length = pages_ * xmmu::kPageSize});
    }
    for (uint64_t page = 0; page < pages_; ++page) {
      ops_.push_back({.kind = round_ == 0 ? xmmu::GuestOpKind::kStore
                                          : xmmu::GuestOpKind::kLoad,
                      .va = kArray + page * xmmu::kPageSize,
                      .length = 8});
    }
    if (++round_ > kRounds) ops_ = {{.kind = xmmu::GuestOpKind::kExit}};
    return ops_;
  }

 private:
  static constexpr xmmu::VirtAddr kArray{0x10000000};
  static constexpr int kRounds = 100;

  const uint64_t pages_;
  int round_ = 0;
  std::vector<xmmu::GuestOp> ops_;
};

}  // namespace

int main() {
  std::printf("pages  cycles an access: native  nested paging\n");
  for (const uint64_t pages : {32, 1024, 4096}) {
    std::printf("%5d                  ", static_cast<int>(pages));
    for (const char* policy : {"native", "nested-paging-4k"}) {
      const auto simulator =
          xmmu::Simulator::Create({.machine = "skylake-2017",
                                   .mode = xmmu::PagingMode::k4Level,
                                   .policy = policy});
      ArrayWalk workload(pages);
      if (!simulator.ok()) return 1;
      const auto row = (*simulator)->Run(workload);
      if (!row.ok()) return 1;
      // What its page faults take is left out: they come once a page.
      const xmmu::Cost& cost = row->cost;
      const xmmu::Cycles cycles = cost.component(xmmu::Component::kTlb) +
                                  cost.component(xmmu::Component::kWalk) +
                                  cost.component(xmmu::Component::kPteLoadL1) +
                                  cost.component(xmmu::Component::kPteLoadL2);
      std::printf("  %6.2f", static_cast<double>(cycles.count()) /
                                 static_cast<double>(
                                     cost.count(xmmu::Counter::kAccesses)));
    }
    std::printf("\n");
  }
}
