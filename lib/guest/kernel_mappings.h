#ifndef XMMU_LIB_GUEST_KERNEL_MAPPINGS_H_
#define XMMU_LIB_GUEST_KERNEL_MAPPINGS_H_

// What a kernel maps beside its direct map, in the reference tables alone
// (Linux: vmalloc, init_mm). An address space begins with the kernel's upper
// entries of the moment; later ones are faulted in by copying the entry from
// the reference table (Linux: vmalloc_fault). Where all address spaces share
// the table, as they may a PAE kernel L2, there is nothing to copy.
//
// Nothing is ever unmapped again.

#include "absl/status/statusor.h"
#include "guest/page_tables.h"

namespace xmmu {

class KernelMappings {
 public:
  KernelMappings(KernelCore& core, MmuOps& ops)
      : core_(core), ops_(ops), tables_(core, ops) {}

  // Maps `pages` zeroed pages, one after the other, and returns their first
  // address. Each call begins a new region of an L1 table (assumed).
  // Errors: ResourceExhausted if there is no memory, or no room below the
  // hypervisor.
  absl::StatusOr<VirtAddr> Map(Vcpu& vcpu, uint64_t pages);

  // The kernel exchanges the 4 bytes at `va`, while `mm` is loaded, for `value`
  // and returns what was there.
  // Errors: InvalidArgument if nothing is mapped there.
  absl::StatusOr<uint64_t> Exchange(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                                    uint64_t value);

 private:
  // The level of the tables of which each address space has its own copy of the
  // kernel's entries.
  int copied_level() const {
    return core_.mode() == PagingMode::kPae ? 2 : core_.levels();
  }
  // The first address of the kernel's mappings.
  VirtAddr First() const;
  // Copies the upper entry for `va` from the reference table. Returns whether
  // it was missing.
  bool FaultIn(Vcpu& vcpu, AddressSpace& mm, VirtAddr va);

  KernelCore& core_;
  MmuOps& ops_;
  PageTables tables_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_KERNEL_MAPPINGS_H_
