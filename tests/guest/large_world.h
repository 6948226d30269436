#ifndef XMMU_TESTS_GUEST_LARGE_WORLD_H_
#define XMMU_TESTS_GUEST_LARGE_WORLD_H_

// A machine with one guest whose programs may have large pages, what the
// guest's own tables say of an address, and operations on regions of large
// pages.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "xmmu/guest/guest_kernel.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/host.h"

namespace xmmu {

struct LargeSetting {
  std::string_view policy = "native";
  PagingMode mode = PagingMode::k4Level;
  Thp thp = Thp::kAlways;
  Thp digest_thp = Thp::kAlways;
  uint64_t memory_mib = 64;
  int vcpus = 1;
};

class LargeWorld {
 public:
  explicit LargeWorld(const LargeSetting& setting)
      : machine_(*FindMachine("skylake-2017")),
        host_(machine_, {.cpus = setting.vcpus}),
        policy_(FindPolicy(setting.policy)->make(host_)) {
    const absl::StatusOr<GuestAbi> abi = policy_->Abi(setting.mode);
    EXPECT_TRUE(abi.ok()) << abi.status();
    const absl::StatusOr<Domain*> domain =
        host_.CreateDomain({.mode = setting.mode,
                            .memory_frames = setting.memory_mib << 8,
                            .vcpus = setting.vcpus,
                            .translated = abi->translated});
    EXPECT_TRUE(domain.ok()) << domain.status();
    GuestOptions options = DefaultGuestOptions(*abi, setting.mode);
    options.thp = setting.thp;
    options.digest_thp = setting.digest_thp;
    auto kernel = GuestKernel::Boot(host_, *policy_, **domain, options);
    EXPECT_TRUE(kernel.ok()) << kernel.status();
    kernel_ = *std::move(kernel);
    policy_->BootEnded();
    EXPECT_TRUE(kernel_->CreateProcess(1).ok());
  }

  GuestKernel& kernel() { return *kernel_; }
  Policy& policy() { return *policy_; }
  Domain& domain() { return host_.domain(0); }

  void Do(const GuestOp& op, TaskId task = 1) {
    const absl::Status status = kernel_->Perform(task, op);
    ASSERT_TRUE(status.ok()) << status;
  }
  std::string Refusal(const GuestOp& op) {
    const absl::Status status = kernel_->Perform(1, op);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }
  uint64_t Count(Counter counter) {
    uint64_t sum = 0;
    for (uint32_t id = 0; id < domain().vcpu_count(); ++id) {
      sum += domain().vcpu(id).cpu->counters[counter];
    }
    return sum;
  }
  uint64_t Faults() { return Count(Counter::kGuestFaults); }

  // What the guest's tables have for an address: an entry of `level`, 0 if
  // there is none that is present or was protected.
  struct Leaf {
    int level = 0;
    Pte entry;
  };
  Leaf LeafOf(VirtAddr va, TaskId task = 1) {
    const PagingMode mode = domain().mode();
    Mfn table = domain().p2m().MfnOf(kernel_->RootsOf(task)->root);
    for (int level = LevelCount(mode);; --level) {
      const Pte entry(host_.memory().ReadEntry(
          EntryAddress(mode, AddressOf(table), IndexOf(mode, level, va)),
          EntryBytes(mode)));
      if (entry.raw() == 0) return {};
      if (level == 1 || entry.page_size()) return {level, entry};
      table = domain().MfnOf(Gfn(entry.frame().value()));
    }
  }

 private:
  const MachineModel machine_;
  Host host_;
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<GuestKernel> kernel_;
};

// Aligned to a large page of every size but 1 GiB.
inline constexpr VirtAddr kLarge{0x20000000};
inline constexpr uint64_t k2MiB = uint64_t{2} << 20;

inline GuestOp LargeMap(VirtAddr va, uint64_t length, uint8_t page_shift = 0,
                        Backing backing = Backing::kAnonymous) {
  return {.kind = GuestOpKind::kMap,
          .rights = kMapRead | kMapWrite,
          .backing = backing,
          .page_shift = page_shift,
          .va = va,
          .length = length};
}
inline GuestOp Store(VirtAddr va) {
  return {.kind = GuestOpKind::kStore, .va = va, .length = 8};
}
inline GuestOp Load(VirtAddr va) {
  return {.kind = GuestOpKind::kLoad, .va = va, .length = 8};
}
inline GuestOp Over(GuestOpKind kind, VirtAddr va, uint64_t length,
                    uint8_t rights = 0) {
  return {.kind = kind, .rights = rights, .va = va, .length = length};
}
inline GuestOp Advise(Advice advice, VirtAddr va, uint64_t length) {
  return {.kind = GuestOpKind::kAdvise,
          .advice = advice,
          .va = va,
          .length = length};
}
inline GuestOp MoveTo(VirtAddr va, uint64_t length, VirtAddr target) {
  return {.kind = GuestOpKind::kRemap,
          .va = va,
          .length = length,
          .target = target,
          .new_length = length};
}
inline GuestOp Of(GuestOpKind kind, TaskId child = 0) {
  return {.kind = kind, .child = child};
}

}  // namespace xmmu

#endif  // XMMU_TESTS_GUEST_LARGE_WORLD_H_
