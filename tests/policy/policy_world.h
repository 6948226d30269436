#ifndef XMMU_TESTS_POLICY_POLICY_WORLD_H_
#define XMMU_TESTS_POLICY_POLICY_WORLD_H_

// A policy with a domain whose boot tables are written by hand: one page of the
// program, and the tables themselves mapped where a kernel would have them.

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "xmmu/machine/pte.h"
#include "xmmu/policy/policies.h"

namespace xmmu {

// Frame n of the domain is mapped at kWorldBase + n pages; frame 0 is the root
// and frame kDataPage an ordinary page. Tables are mapped read-only.
inline constexpr VirtAddr kWorldBase{0x400000};
inline constexpr uint64_t kDataPage = 10;

class PolicyWorld {
 public:
  PolicyWorld(std::string_view policy, PagingMode mode, int vcpus = 1)
      : host(*FindMachine("skylake-2017"), {.cpus = vcpus}),
        policy_under_test(FindPolicy(policy)->make(host)),
        mode_(mode) {
    domain = *host.CreateDomain(
        {.mode = mode, .memory_frames = 1024, .vcpus = vcpus});
    BuildTables();
    for (uint32_t id = 0; id < domain->vcpu_count(); ++id) {
      const absl::Status status = policy_under_test->StartVcpu(
          domain->vcpu(id), domain->GfnOf(Pfn(0)), kInvalidGfn);
      EXPECT_TRUE(status.ok()) << status;
    }
  }

  VcpuContext& vcpu(uint32_t id = 0) { return domain->vcpu(id); }
  Cpu& cpu(uint32_t id = 0) { return host.cpu(id); }
  Policy& policy() { return *policy_under_test; }

  // Returns the machine address of the L1 slot that maps frame `pfn`.
  MachineAddr SlotOf(uint64_t pfn) const {
    const VirtAddr va = kWorldBase + pfn * kPageSize;
    return EntryAddress(mode_, AddressOf(domain->p2m().MfnOf(Pfn(leaf_))),
                        IndexOf(mode_, 1, va));
  }
  // Where the program and the kernel see that slot.
  VirtAddr SlotVa(uint64_t pfn) const {
    return kWorldBase + leaf_ * kPageSize + PageOffset(SlotOf(pfn));
  }
  uint64_t EntryOf(uint64_t pfn) const {
    return host.memory().ReadEntry(SlotOf(pfn), EntryBytes(mode_));
  }
  uint64_t MakeEntry(uint64_t pfn, uint64_t flags) const {
    return Pte(domain->p2m().MfnOf(Pfn(pfn)), flags).raw();
  }

  Host host;
  std::unique_ptr<Policy> policy_under_test;
  Domain* domain = nullptr;

 private:
  void Write(uint64_t table, int index, uint64_t target, uint64_t flags) {
    host.memory().WriteEntry(
        EntryAddress(mode_, AddressOf(domain->p2m().MfnOf(Pfn(table))), index),
        EntryBytes(mode_), MakeEntry(target, flags));
  }

  void BuildTables() {
    const int levels = LevelCount(mode_);
    leaf_ = static_cast<uint64_t>(levels - 1);
    for (int level = levels; level > 1; --level) {
      const bool pdpte = mode_ == PagingMode::kPae && level == 3;
      const auto table = static_cast<uint64_t>(levels - level);
      Write(
          table, IndexOf(mode_, level, kWorldBase), table + 1,
          pdpte ? pte::kPresent : pte::kPresent | pte::kWritable | pte::kUser);
    }
    uint64_t tables = leaf_ + 1;
    if (mode_ == PagingMode::kPae) {  // the kernel's slot must be there
      Write(0, 3, tables++, pte::kPresent);
    }
    for (uint64_t pfn = 0; pfn <= kDataPage; ++pfn) {
      const VirtAddr va = kWorldBase + pfn * kPageSize;
      Write(leaf_, IndexOf(mode_, 1, va), pfn,
            pte::kPresent | pte::kUser | (pfn >= tables ? pte::kWritable : 0));
    }
  }

  PagingMode mode_;
  uint64_t leaf_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_POLICY_POLICY_WORLD_H_
