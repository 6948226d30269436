#ifndef XMMU_XEN_DIRECT_DIRECT_PAGING_H_
#define XMMU_XEN_DIRECT_DIRECT_PAGING_H_

// Direct paging: the rules by which Xen lets a paravirtual guest own the page
// tables that the hardware walks. A frame has at most one type at a time; it
// becomes a page table only by validation, takes no writable mapping while it
// is one, and keeps its type while anything needs it. Pinning is one more such
// need.
//
// The rules follow the guest's paging mode: Xen 4.17's (xen/arch/x86/mm.c and
// xen/arch/x86/pv/) for 4-level and PAE guests, Xen 3.0.0's (xen/arch/x86/mm.c)
// for 2-level ones. PAE guests of a machine with long mode run under a 64-bit
// Xen: the MMU is in 4-level mode, and slot 0 of a root of Xen's own refers to
// the guest's L3, whose entries get RW and US. On a machine without, the
// hardware walks the L3 itself; its entries then must be good PDPTEs, with none
// of RW, US, A, D. So it is under a 32-bit Xen, which LinearMap can ask for.
//
//   unused --get, scan ok--> validated --count 0--> unused (type remembered)
//      |                        | ^
//      +--get, scan fails       | +-- pin / unpin: one reference held by a flag
//         type forgotten        +---- further references: count only
//
// What each operation charges is said with it; all charge the CPU of the vCPU
// that asks, flushes other CPUs as Host::Flush does.
//
// Single-threaded.

#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "xmmu/mmu/access.h"
#include "xmmu/mmu/memory_operand.h"
#include "xmmu/mmu/pending_invalidation.h"
#include "xmmu/xen/domain.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/hypercall.h"
#include "xmmu/xen/internal/direct_paging_state.h"
#include "xmmu/xen/internal/page_info.h"
#include "xmmu/xen/internal/ptwr.h"
#include "xmmu/xen/write_logging.h"

namespace xmmu {

// The mode that the MMU is in while a paravirtual guest of `mode` runs on a CPU
// with `features`, under a Xen built with `linear_map`. Free.
PagingMode HardwareMode(PagingMode mode, const CpuFeatures& features,
                        LinearMap linear_map = LinearMap::kDefault);

class DirectPaging {
 public:
  // `host` outlives the object.
  explicit DirectPaging(Host& host);
  ~DirectPaging();
  DirectPaging(const DirectPaging&) = delete;
  DirectPaging& operator=(const DirectPaging&) = delete;

  // Installs the boot tables that the domain builder has written to the guest's
  // memory: validates `root` as a root table, pins it, and makes it the base
  // pointer of `vcpu` (Xen: arch_set_info_guest). For a 64-bit guest the same
  // happens to `user_root`, unless it is kInvalidMfn. Then resets the Mmu of
  // the vCPU's CPU, if that CPU runs the vCPU, with the control registers of
  // HardwareMode() and CR3 loaded. A root that another vCPU has had pinned
  // stays pinned once. Charges the validation. Errors: those of a refused pin;
  // Unimplemented for a mode of which Xen runs no paravirtual guests, and for a
  // second vCPU with LinearMap::kSharedL2.
  absl::Status StartVcpu(VcpuContext& vcpu, Mfn root, Mfn user_root);

  // Executes one hypercall for `vcpu`. Charges the ring crossing
  // (kHypercallInt, or kHypercallSyscall for a 64-bit guest), kHypercallWork,
  // kCopyIn a request, and what each request does: kLockedOp a reference or
  // type change, kXenPteRead and kXenPteCas an entry, kValidatePte an entry
  // scanned, kTempMap a table mapped, flushes, CR3 loads. A multicall charges
  // one crossing, and a call kMulticallEntry and kHypercallWork. A call of
  // make_ro_and_share flushes the domain's CPUs once if they may still write,
  // and charges kHashPage a page and kComparePage a frame compared with it.
  // Under the rules of Xen 3.0 a call also takes the domain's lock, kLockedOp.
  // REQUIRES: `vcpu` is in kernel mode; in user mode the instruction is the
  // guest kernel's own affair and does not reach Xen.
  HypercallResult Execute(VcpuContext& vcpu, const Hypercall& call);

  // Emulates the store `operand` of a faulting access if the store is one to a
  // validated L1 of the caller's domain through a read-only mapping (Xen 4.17:
  // pv_ro_page_fault, ptwr_emulated_update), the guest has asked for that by
  // VMASST_TYPE_writable_pagetables, and it is in kernel mode. Returns whether
  // the instruction has been completed; if not, or if the new entry is refused,
  // nothing has changed and the fault is the guest's. Charges kEmulate, entry
  // reads, reference changes; under the rules of Xen 3.0 also the domain's
  // lock, kLockedOp, unless `holds_lock`. Flushes nothing.
  bool EmulatePteWrite(VcpuContext& vcpu, const PageFault& fault,
                       const Access& access, MemoryOperand& operand,
                       bool holds_lock = false);

  // Writable page tables, as Xen had them from 2004 to 2006 (ptwr). These
  // functions open and close tables; the policy decides when, and by which
  // method. Each PtwrSlot of a domain holds at most one open table. Every
  // hypercall of the domain but set_gdt and vm_assist(enable) first closes all
  // open tables. So does a request that would be refused because of a frame's
  // type, and the emulation of a store to an open table or to one that maps it.

  // Whether the access cannot be translated because the active table is
  // unhooked. A page fault begins with this look: under the rules of Xen 3.0 it
  // charges the domain's lock, kLockedOp, for all that follows; the look itself
  // is free (Xen compares two words). REQUIRES: `access` has just page-faulted.
  bool MeetsUnhooked(VcpuContext& vcpu, const Access& access);

  // Finds out what the write fault `fault` of `access` is. Charges kXenPteRead
  // for the entry that maps the table and for the entry at which the table is
  // hooked, and the look-up of the former.
  TableWrite FindTableWrite(VcpuContext& vcpu, const PageFault& fault,
                            const Access& access);

  // Opens a table in `slot`. If that is kActive, the table's L2 entry loses P
  // and the TLBs of the domain's CPUs are flushed. Then, by `method`:
  //   kSnapshot    a snapshot is taken, and RW set where the guest maps it;
  //   kRevalidate  a pin and all references to its type are dropped, and with
  //                them those of its entries; RW is set as for any page;
  //   kCopy        it is copied to a frame of Xen's, and the guest's mapping
  //                leads there, with RW.
  // Charges kXenPteWrite an entry and the flush; kTempMap and kCopyPage; for
  // kRevalidate, instead of both, kXenPteRead and kXenPteCas for the L2 entry,
  // the table's teardown and kLockedOp a type reference. Closes what maps the
  // table, or is mapped by it, first; if that crashes the domain nothing is
  // opened. REQUIRES: write.kind is kOpen; `slot` is free, and write.slot or
  // another inactive one; for kCopy, write.sole_mapping.
  void OpenTable(VcpuContext& vcpu, const TableWrite& write, PtwrSlot slot,
                 PtwrMethod method);

  // Closes the slot, if it is in use: takes RW back, with an INVLPG on the
  // domain's CPUs (a flush, if the table may be mapped at two addresses);
  // compares the table with its snapshot, or its copy; takes references for new
  // entries and drops those of old ones; hooks an active table again. With
  // kRevalidate it takes the references to the table's type again, which
  // flushes the domain's CPUs and validates the whole table. An entry that is
  // refused crashes the domain; from that entry on the table then has its old
  // entries (kRevalidate: all entries are zero). Charges kXenPteRead,
  // kXenPteWrite, the flush, kTempMap, kSnapshotCompare (kRevalidate:
  // kValidatePte) an entry, kLockedOp a reference or type change; two loads of
  // CR3 more for another vCPU's table, or from user mode.
  void CloseTable(VcpuContext& vcpu, PtwrSlot slot);
  // CloseTable() of all slots, and of all but kActive.
  void CloseTables(VcpuContext& vcpu);
  void CloseInactiveTables(VcpuContext& vcpu);

  // Switches between the guest's kernel and user mode: 64-bit guests have a
  // base pointer for each (Xen: toggle_guest_mode). Charges the CR3 load.
  // Without a user base pointer a 64-bit guest stays in kernel mode.
  void ToggleGuestMode(VcpuContext& vcpu, bool to_kernel);

  // The log of writes to `domain`, which is paravirtual: the same object at
  // each call, owned by this one. Free.
  WriteLogging& WriteLoggingOf(Domain& domain);

  Host& host() { return host_; }

 private:
  Host& host_;
  // The log of each domain, made on demand; only looked up, never iterated.
  absl::flat_hash_map<DomainId, std::unique_ptr<DirectWriteLogging>> logs_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_DIRECT_DIRECT_PAGING_H_
