#ifndef XMMU_XEN_INTERNAL_DIRECT_PAGING_STATE_H_
#define XMMU_XEN_INTERNAL_DIRECT_PAGING_STATE_H_

// What direct paging (xmmu/xen/direct/direct_paging.h) keeps of one domain: one
// member of the Domain, unused by domains that run otherwise.
//
// Charges nothing. Single-threaded.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "xmmu/base/address.h"
#include "xmmu/xen/internal/ptwr.h"

namespace xmmu {

class DirectWriteLogging;

class DirectPagingState {
 public:
  struct Vcpu {
    // PAE guest on a 64-bit hypervisor: the L4 that Xen keeps for the vCPU,
    // whose slot 0 is the guest's L3 (Xen: the compat guest_table). It is a
    // frame of Xen's; kInvalidMfn for other guests.
    Mfn hidden_l4 = kInvalidMfn;
    // Frames of the descriptor table, each holding a reference as kSegDesc.
    std::vector<Mfn> gdt_frames;
  };

  explicit DirectPagingState(int vcpus) : vcpus_(static_cast<size_t>(vcpus)) {}

  Vcpu& vcpu(uint32_t id) { return vcpus_[id]; }
  const Vcpu& vcpu(uint32_t id) const { return vcpus_[id]; }

  // Whether the guest has asked for its stores to tables to be handled
  // (VMASST_TYPE_writable_pagetables).
  bool writable_pagetables() const { return writable_pagetables_; }
  void set_writable_pagetables(bool on) { writable_pagetables_ = on; }

  // The tables that are open for writing (Xen 3.0: arch.ptwr), by slot.
  PtwrInfo& ptwr(PtwrSlot slot) {
    ptwr_ever_used_ = true;
    return ptwr_[static_cast<size_t>(slot)];
  }
  const PtwrInfo& ptwr(PtwrSlot slot) const {
    return ptwr_[static_cast<size_t>(slot)];
  }
  const std::array<PtwrInfo, kPtwrSlots>& ptwr() const { return ptwr_; }
  bool ptwr_in_use() const {
    return ptwr_ever_used_ &&
           std::any_of(ptwr_.begin(), ptwr_.end(),
                       [](const PtwrInfo& info) { return info.in_use(); });
  }
  // The slot in which `table` is open; nullptr if it is not.
  const PtwrInfo* FindOpen(Mfn table) const {
    if (!ptwr_ever_used_) return nullptr;
    const auto found =
        std::find_if(ptwr_.begin(), ptwr_.end(), [table](const PtwrInfo& info) {
          return info.in_use() && info.table == table;
        });
    return found == ptwr_.end() ? nullptr : &*found;
  }

  // How many of the domain's tables are validated.
  uint64_t validated_tables() const { return validated_tables_; }
  void AddValidatedTables(int64_t more) {
    validated_tables_ += static_cast<uint64_t>(more);
  }

  // What logs the domain's writes, while processors walk its shadows instead
  // of the guest's tables; nullptr while they walk the guest's own.
  DirectWriteLogging* write_logging() const { return write_logging_; }
  void set_write_logging(DirectWriteLogging* log) { write_logging_ = log; }

 private:
  std::vector<Vcpu> vcpus_;
  bool writable_pagetables_ = false;
  std::array<PtwrInfo, kPtwrSlots> ptwr_;
  // Whether anybody may have changed a slot: most strategies open no table.
  bool ptwr_ever_used_ = false;
  uint64_t validated_tables_ = 0;
  DirectWriteLogging* write_logging_ = nullptr;
};

}  // namespace xmmu

#endif  // XMMU_XEN_INTERNAL_DIRECT_PAGING_STATE_H_
