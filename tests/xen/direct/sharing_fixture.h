#ifndef XMMU_TESTS_XEN_DIRECT_SHARING_FIXTURE_H_
#define XMMU_TESTS_XEN_DIRECT_SHARING_FIXTURE_H_

// Two paravirtual domains with a few pages each, which share them. After each
// request all references are audited.

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "xen/direct/pv_fixture.h"
#include "xmmu/xen/host.h"

namespace xmmu {

// An L1 maps the frames of these pfns, writable, from its slot 0 on.
inline constexpr VirtAddr kRegion{0x40000000};
inline constexpr uint64_t kFirstData = 100;
inline constexpr int kDataPages = 8;
inline constexpr uint64_t kL1Pfn = 1;
inline constexpr uint64_t kSpareL1Pfn = 2;

class Guest {
 public:
  Guest(Host& host, DirectPaging& paging, PagingMode mode, int vcpus = 1)
      : host_(host), paging_(paging), mode_(mode) {
    domain_ =
        host.CreateDomain({.mode = mode, .memory_frames = 1024, .vcpus = vcpus})
            .value();
    first_data_ = Frame(kFirstData);
    const Mfn root = Frame(1000);
    if (mode == PagingMode::kPae) Put(root, 3, Pte(Frame(1001), 1));
    Mfn table = root;
    for (int level = LevelCount(mode); level > 1; --level) {
      const bool pae_root = mode == PagingMode::kPae && level == 3;
      const Mfn next =
          Frame(level == 2 ? kL1Pfn : 900 + static_cast<uint64_t>(level));
      Put(table, IndexOf(mode, level, kRegion), Pte(next, pae_root ? 1 : 7));
      table = next;
    }
    for (int i = 0; i < kDataPages; ++i) Put(table, i, Pte(Data(i), kRw));
    for (uint32_t i = 0; i < domain_->vcpu_count(); ++i) {
      Run(i);
      EXPECT_EQ(paging.StartVcpu(domain_->vcpu(i), root, kInvalidMfn),
                absl::OkStatus());
    }
    Run();
  }

  Domain& domain() { return *domain_; }
  DomainId id() const { return domain_->id(); }
  VcpuContext& vcpu(uint32_t i = 0) { return domain_->vcpu(i); }
  Mfn Frame(uint64_t pfn) const { return domain_->p2m().MfnOf(Pfn(pfn)); }
  // Returns the frame that page `i` had at the start.
  Mfn Data(int i) const { return first_data_ + static_cast<uint64_t>(i); }
  Mfn l1() const { return Frame(kL1Pfn); }
  static VirtAddr Va(int i) {
    return kRegion + static_cast<uint64_t>(i) * kPageSize;
  }
  MachineAddr EntryOf(Mfn table, int slot) const {
    return EntryAddress(mode_, AddressOf(table), slot);
  }
  Pte Get(int slot) const {
    return Pte(
        host_.memory().ReadEntry(EntryOf(l1(), slot), EntryBytes(mode_)));
  }
  void Put(Mfn table, int slot, Pte value) {
    host_.memory().WriteEntry(EntryOf(table, slot), EntryBytes(mode_),
                              value.raw());
  }
  void Fill(int page, uint64_t word, uint64_t token = 0) {
    host_.memory().Write64(AddressOf(Data(page)) + 8, word);
    host_.memory().SetContentToken(Data(page), token);
  }

  // Puts a vCPU on its CPU.
  void Run(uint32_t i = 0) {
    if (vcpu(i).cr3 != 0) host_.SwitchVcpu(*vcpu(i).cpu, vcpu(i));
    if (vcpu(i).cr3 == 0) vcpu(i).cpu->current = &vcpu(i);
  }
  HypercallResult Execute(const Hypercall& call) {
    Run();
    HypercallResult result = paging_.Execute(vcpu(), call);
    for (size_t i = 0; i < host_.domain_count(); ++i) {
      EXPECT_EQ(AuditDomain(host_, host_.domain(i)), absl::OkStatus());
    }
    EXPECT_EQ(AuditSharing(host_), absl::OkStatus());
    return result;
  }
  HypercallResult Share(const std::vector<VirtAddr>& mappings) {
    return Execute(MakeRoAndShareCall{.mappings = mappings});
  }
  XenErrno ShareErrno(const std::vector<VirtAddr>& mappings) {
    return ErrnoOf(Share(mappings).status);
  }
  XenErrno Update(int slot, Pte value, Mfn table = kInvalidMfn) {
    const std::array request = {MmuUpdate{
        EntryOf(table == kInvalidMfn ? l1() : table, slot), value.raw()}};
    return ErrnoOf(Execute(MmuUpdateCall{.requests = request}).status);
  }
  XenErrno Op(const MmuextOp& op) {
    const std::array ops = {op};
    return ErrnoOf(Execute(MmuextCall{.ops = ops}).status);
  }
  bool Access(VirtAddr va, AccessKind kind, uint32_t i = 0) {
    Run(i);
    const bool user = mode_ == PagingMode::k4Level;
    return vcpu(i).cpu->mmu.Translate({va, kind, user}).ok();
  }

 private:
  Host& host_;
  DirectPaging& paging_;
  PagingMode mode_;
  Domain* domain_;
  Mfn first_data_;
};

struct Mode {
  const char* name;
  const char* machine;
  PagingMode mode;
};
inline constexpr std::array kModes = {
    Mode{"FourLevel", "skylake-2017", PagingMode::k4Level},
    Mode{"Compat", "skylake-2017", PagingMode::kPae},
    Mode{"Pae", "xeon-2003", PagingMode::kPae},
    Mode{"TwoLevel", "xeon-2003", PagingMode::k2Level}};

class SharingWorld : public testing::TestWithParam<Mode> {
 protected:
  // Xen 3.0 knows only one errno.
  static XenErrno Busy() {
    return GetParam().mode == PagingMode::k2Level ? XenErrno::kEINVAL
                                                  : XenErrno::kEBUSY;
  }
  PageInfo& Page(Mfn mfn) { return host_.frames()[mfn]; }
  uint64_t Counted(Counter counter) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < host_.cpu_count(); ++i) {
      sum += host_.cpu(i).counters[counter];
    }
    return sum;
  }

  Host host_{*FindMachine(GetParam().machine),
             {.cpus = 2, .timing = MemoryTiming::kFlat}};
  DirectPaging paging_{host_};
  Guest a_{host_, paging_, GetParam().mode, 2};
  Guest b_{host_, paging_, GetParam().mode};
};

inline std::string SharingModeName(const testing::TestParamInfo<Mode>& row) {
  return std::string(row.param.name);
}

}  // namespace xmmu

#endif  // XMMU_TESTS_XEN_DIRECT_SHARING_FIXTURE_H_
