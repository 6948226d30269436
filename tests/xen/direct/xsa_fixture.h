#ifndef XMMU_TESTS_XEN_DIRECT_XSA_FIXTURE_H_
#define XMMU_TESTS_XEN_DIRECT_XSA_FIXTURE_H_

// The tests of past escapes share these: the modes they run in, short words for
// accesses, and the judge, which says whether any CPU can reach what it must
// not.

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "xen/direct/pv_fixture.h"
#include "xen/layout.h"

namespace xmmu {

inline constexpr std::array kXsaModes = {
    PvOptions{.cpus = 3, .vcpus = 3},
    PvOptions{.mode = PagingMode::kPae, .cpus = 3, .vcpus = 3},
    PvOptions{.mode = PagingMode::kPae,
              .machine = "xeon-2003",
              .cpus = 3,
              .vcpus = 3},
    PvOptions{.mode = PagingMode::k2Level,
              .machine = "xeon-2003",
              .cpus = 3,
              .vcpus = 3}};

inline std::string XsaModeName(const testing::TestParamInfo<PvOptions>& row) {
  static constexpr std::array kNames = {"FourLevel", "Compat", "Pae",
                                        "TwoLevel"};
  return kNames.at(row.index);
}

// An address below all of Xen's areas whose slots below L4 are not 0.
inline constexpr VirtAddr kXsaVa{0x40201000};

// Returns the table of `level` on the path of kXsaVa, after PvGuest::Hook().
inline Mfn TableAbove(const PvGuest& guest, int level) {
  Mfn table = guest.root;
  for (int l = LevelCount(guest.mode); l > level; --l) {
    table = guest.Get(table, IndexOf(guest.mode, l, kXsaVa)).frame();
  }
  return table;
}

// Returns the address that has `slot` at all levels.
inline VirtAddr SameSlotAddress(PagingMode mode, uint64_t slot) {
  uint64_t va = 0;
  for (int level = 1; level <= LevelCount(mode); ++level) {
    va |= slot << LevelShift(mode, level);
  }
  return VirtAddr(va);
}

// 64-bit guests' kernels run in ring 3.
inline Access UserRead(const PvGuest& guest, VirtAddr va) {
  return {va, AccessKind::kRead, guest.mode == PagingMode::k4Level};
}
inline Access UserWrite(const PvGuest& guest, VirtAddr va) {
  return {va, AccessKind::kWrite, guest.mode == PagingMode::k4Level};
}

inline Mfn LoadedRoot(PvGuest& guest, uint32_t cpu = 0) {
  return FrameOf(MachineAddr(guest.cpu(cpu).mmu.registers().cr3));
}

// Returns "", or what some TLB must not hold for the guest's addresses: a
// foreign frame, or a writable mapping of a table in use.
inline std::string Reachable(PvGuest& guest) {
  for (uint32_t i = 0; i < guest.host.cpu_count(); ++i) {
    for (const TlbEntry& entry : guest.cpu(i).mmu.TlbEntries()) {
      const bool narrow = LevelCount(guest.mode) < 4;
      if (narrow && (entry.va().value() >> 32) != 0) continue;
      if (IsHypervisorAddress(guest.mode, entry.va())) continue;
      const Mfn mfn = FrameOf(entry.base);
      const PageInfo& page = guest.Page(mfn);
      const bool typed =
          page.type_count > 0 && page.type != PageType::kWritable;
      if (page.owner != guest.domain->id()) {
        return "CPU " + std::to_string(i) + " reaches a foreign frame";
      }
      if (entry.writable() && typed) {
        return "CPU " + std::to_string(i) + " writes a table or descriptors";
      }
    }
  }
  return "";
}

}  // namespace xmmu

#endif  // XMMU_TESTS_XEN_DIRECT_XSA_FIXTURE_H_
