#ifndef XMMU_TESTS_XEN_DIRECT_PV_FIXTURE_H_
#define XMMU_TESTS_XEN_DIRECT_PV_FIXTURE_H_

// A paravirtual domain with the smallest boot tables there are, and short words
// for what a guest asks of Xen. After each request the counts are audited.

#include <gtest/gtest.h>

#include <array>
#include <initializer_list>
#include <memory>
#include <vector>

#include "xen/direct/audit.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/pte.h"
#include "xmmu/xen/direct/direct_paging.h"
#include "xmmu/xen/errno.h"

namespace xmmu {

inline constexpr uint64_t kRw = 0x67;  // P RW US A D
inline constexpr uint64_t kRo = 0x25;  // P US A

struct PvOptions {
  PagingMode mode = PagingMode::k4Level;
  const char* machine = "skylake-2017";
  int cpus = 1;
  int vcpus = 1;
  bool io_privileged = false;
  LinearMap linear_map = LinearMap::kDefault;
};

class PvGuest {
 public:
  explicit PvGuest(const PvOptions& options = {})
      : host(*FindMachine(options.machine), {.cpus = options.cpus,
                                             .timing = MemoryTiming::kFlat,
                                             .linear_map = options.linear_map}),
        paging(host),
        mode(options.mode) {
    domain = host.CreateDomain({.mode = mode,
                                .memory_frames = 1024,
                                .vcpus = options.vcpus,
                                .io_privileged = options.io_privileged})
                 .value();
    root = Frame(1000);
    if (mode == PagingMode::kPae) Put(root, 3, Pte(Frame(1001), 1));
    for (uint32_t i = 0; i < domain->vcpu_count(); ++i) {
      EXPECT_EQ(paging.StartVcpu(domain->vcpu(i), root, kInvalidMfn),
                absl::OkStatus());
    }
    Audit();
  }

  VcpuContext& vcpu(uint32_t i = 0) const { return domain->vcpu(i); }
  Cpu& cpu(uint32_t i = 0) { return host.cpu(i); }
  CycleClock& clock(uint32_t i = 0) { return host.cpu(i).clock; }
  Mfn Frame(uint64_t pfn) const { return domain->p2m().MfnOf(Pfn(pfn)); }
  PageInfo& Page(Mfn mfn) { return host.frames()[mfn]; }
  PageInfo& Page(uint64_t pfn) { return Page(Frame(pfn)); }
  int bytes() const { return EntryBytes(mode); }
  MachineAddr EntryOf(Mfn table, int slot) const {
    return EntryAddress(mode, AddressOf(table), slot);
  }

  // These read and write memory directly, past Xen.
  Pte Get(Mfn table, int slot) const {
    return Pte(host.memory().ReadEntry(EntryOf(table, slot), bytes()));
  }
  void Put(Mfn table, int slot, Pte value) {
    host.memory().WriteEntry(EntryOf(table, slot), bytes(), value.raw());
  }

  HypercallResult Execute(const Hypercall& call, uint32_t on = 0) {
    HypercallResult result = paging.Execute(vcpu(on), call);
    Audit();
    return result;
  }
  XenErrno Update(Mfn table, int slot, Pte value,
                  MmuUpdateCommand command = MmuUpdateCommand::kNormal,
                  DomainId owner = kDomSelf) {
    const std::array request = {
        MmuUpdate{EntryOf(table, slot), value.raw(), command}};
    return ErrnoOf(
        Execute(MmuUpdateCall{.requests = request, .page_owner = owner})
            .status);
  }
  XenErrno Op(MmuextOp op, DomainId owner = kDomSelf, uint32_t on = 0) {
    const std::array ops = {op};
    return ErrnoOf(Execute(MmuextCall{.ops = ops, .owner = owner}, on).status);
  }
  XenErrno Pin(Mfn table, int level) {
    static constexpr std::array kPins = {
        MmuextCommand::kPinL1, MmuextCommand::kPinL2, MmuextCommand::kPinL3,
        MmuextCommand::kPinL4};
    return Op(
        {.command = kPins.at(static_cast<size_t>(level - 1)), .mfn = table});
  }
  // The L4 of Xen's own that the vCPU runs on; kInvalidMfn if it has none.
  Mfn hidden_l4() { return domain->direct().vcpu(vcpu().id).hidden_l4; }
  XenErrno Unpin(Mfn table) {
    return Op({.command = MmuextCommand::kUnpin, .mfn = table});
  }
  XenErrno UpdateVa(VirtAddr va, Pte value, VaMappingFlush flush = {}) {
    return ErrnoOf(
        Execute(UpdateVaMappingCall{va, value.raw(), flush, kDomSelf}).status);
  }

  // Hooks `l1` below the root at `va`, with tables of frames 990 and down.
  void Hook(Mfn l1, VirtAddr va) {
    Mfn table = root;
    uint64_t pfn = 990;
    for (int level = LevelCount(mode); level > 1; --level) {
      const bool pae_root = mode == PagingMode::kPae && level == 3;
      const int slot = IndexOf(mode, level, va);
      const Mfn next = level == 2 ? l1 : Frame(pfn--);
      if (!Get(table, slot).present()) {
        ASSERT_EQ(Update(table, slot, Pte(next, pae_root ? 1 : 7)),
                  XenErrno::kOk);
      }
      table = Get(table, slot).frame();
    }
  }

  void Audit() const {
    ASSERT_EQ(AuditDomain(host, *domain), absl::OkStatus());
  }

  Host host;
  DirectPaging paging;
  PagingMode mode;
  Domain* domain;
  Mfn root;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_XEN_DIRECT_PV_FIXTURE_H_
