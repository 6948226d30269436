#ifndef XMMU_LIB_XEN_DIRECT_WRITABLE_TABLES_H_
#define XMMU_LIB_XEN_DIRECT_WRITABLE_TABLES_H_

// Writable page tables (ptwr): what opens a table for the stores of its guest,
// and closes it again. What each public function does and charges is said
// where users see it, at DirectPaging (xmmu/xen/direct/direct_paging.h).
//
// Single-threaded.

#include <cstdint>
#include <optional>

#include "xen/direct/l1_lookup.h"
#include "xen/direct/page_types.h"
#include "xen/direct/request.h"
#include "xmmu/mmu/access.h"
#include "xmmu/xen/internal/ptwr.h"

namespace xmmu {

class WritableTables : private RequestPart {
 public:
  explicit WritableTables(PvRequest& request)
      : RequestPart(request), types_(request), lookup_(request) {}

  // --- ptwr.cc
  bool MeetsUnhooked(const Access& access) const;
  TableWrite FindTableWrite(const PageFault& fault, const Access& access);
  void OpenTable(const TableWrite& write, PtwrSlot slot, PtwrMethod method);
  // Whether `fault` is a guest kernel's write to a present mapping, and the
  // guest has asked for such writes to be handled.
  bool IsTableWriteFault(const PageFault& fault) const;

  // --- ptwr_close.cc
  // Closes the slot, which is in use.
  void CloseTable(PtwrSlot which);
  // Close what is open: all of it, or all but the active table.
  void CloseTables();
  void CloseInactiveTables();
  // Closes what is open and is `table` or is mapped by an entry of it.
  void CloseTouching(Mfn table);

 private:
  // ptwr.cc
  // Whether RW in the entry at `mapping` is all that the store needs.
  bool OpensByRw(MachineAddr mapping, Pte mapped, const Access& access);
  // Whether the place of the table is known, and not that of its own mapping.
  bool MayBeOpened(const TableWrite& write) const;
  // The entry by which the tree below `root` refers to `table` of `level`:
  // nothing if it does not. Sets `known` to false where that cannot be told.
  std::optional<MachineAddr> HookBelow(Mfn root, Mfn table, int level,
                                       bool& known) const;
  // Finds the slot that the table needs; false if that cannot be told.
  bool PlaceInLoadedRoots(TableWrite& write);
  // Opens a table that keeps its type and references meanwhile: unhooks it and
  // takes its snapshot or copy.
  void KeepTypeFor(PtwrInfo& open, bool active);
  // Takes P from the L2 entry and flushes all that may have used it.
  void Unhook(MachineAddr l2_entry);

  // ptwr_type.cc
  // Makes a table an ordinary writable page (kRevalidate), and back.
  void DropTypeFor(PtwrInfo& open, bool active);
  void RetakeTypeFor(const PtwrInfo& open, bool active);
  // Takes the references to the type again; after an error none is taken.
  XenErrno TryRetakeType(const PtwrInfo& open, bool active);

  // ptwr_close.cc
  // Whether an L1 is known to map one part of the address space only.
  bool HasOnePlace(Mfn table) const;
  // Takes RW back from the mapping, and from all TLBs.
  void CloseMapping(const PtwrInfo& open);
  // Accepts what the guest has written; returns how many entries changed.
  uint64_t Revalidate(const PtwrInfo& open);
  // Accepts one changed entry; false if it is refused.
  bool RevalidateEntry(MachineAddr where, Pte old, Pte value);
  // Crashes the domain for the entry in `slot`, which was refused.
  void CrashOn(const PtwrInfo& open, int slot);

  PageTypes types_;
  L1Lookup lookup_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_WRITABLE_TABLES_H_
