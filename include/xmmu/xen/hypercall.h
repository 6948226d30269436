#ifndef XMMU_XEN_HYPERCALL_H_
#define XMMU_XEN_HYPERCALL_H_

// The memory-management hypercalls of a paravirtual guest, as data.
// Source: Xen 4.17, xen/include/public/xen.h; same calls since Xen 3.0
// (mmuext_op was part of mmu_update before).
//
// Plain values; any thread. Spans must outlive the call they are passed to.

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/base/address.h"
#include "xmmu/mmu/pending_invalidation.h"
#include "xmmu/xen/internal/page_info.h"

namespace xmmu {

// Low bits of mmu_update's pointer.
enum class MmuUpdateCommand : uint8_t {
  kNormal = 0,       // MMU_NORMAL_PT_UPDATE
  kMachphys = 1,     // MMU_MACHPHYS_UPDATE
  kPreserveAd = 2,   // MMU_PT_UPDATE_PRESERVE_AD
  kNoTranslate = 3,  // MMU_PT_UPDATE_NO_TRANSLATE
  // 4 to 7 are unknown to Xen.
};

// One request: store `value` in the entry at machine address `entry`.
struct MmuUpdate {
  MachineAddr entry;
  uint64_t value = 0;
  MmuUpdateCommand command = MmuUpdateCommand::kNormal;
};

// HYPERVISOR_mmu_update.
struct MmuUpdateCall {
  std::span<const MmuUpdate> requests;
  DomainId page_owner = kDomSelf;        // owner of frames newly mapped
  DomainId page_table_owner = kDomSelf;  // owner of the tables
};

enum class MmuextCommand : uint8_t {
  kPinL1,
  kPinL2,
  kPinL3,
  kPinL4,
  kUnpin,
  kNewBaseptr,
  kNewUserBaseptr,
  kTlbFlushLocal,
  kInvlpgLocal,
  kTlbFlushMulti,
  kInvlpgMulti,
  kTlbFlushAll,
  kInvlpgAll,
  kFlushCache,
  kSetLdt,
  kClearPage,
  kCopyPage,
  kUnknown,  // any number Xen does not know
};

struct MmuextOp {
  MmuextCommand command = MmuextCommand::kUnknown;
  Mfn mfn = {};       // table or page
  Mfn source = {};    // kCopyPage
  VirtAddr va = {};   // kInvlpg*
  CpuMask vcpus = 0;  // k*Multi: vCPUs of the calling domain
};

// HYPERVISOR_mmuext_op.
struct MmuextCall {
  std::span<const MmuextOp> ops;
  DomainId owner = kDomSelf;
};

// UVMF_ flags of update_va_mapping.
struct VaMappingFlush {
  FlushScope scope = FlushScope::kNone;  // kNone, kPage or kNonGlobal
  bool all_vcpus = false;
  CpuMask vcpus = 0;  // with neither: the calling vCPU only
};

// HYPERVISOR_update_va_mapping (and _otherdomain, with another owner).
struct UpdateVaMappingCall {
  VirtAddr va;
  uint64_t value = 0;
  VaMappingFlush flush = {};
  DomainId page_owner = kDomSelf;
};

// HYPERVISOR_vm_assist, VMASST_TYPE_writable_pagetables: stores to validated L1
// tables are from now on handled (or no longer) by the hypervisor.
struct VmAssistCall {
  bool enable = true;
};

// HYPERVISOR_set_gdt: puts the descriptor table of the calling vCPU into
// `frames`, at most 14; with none the table is empty. If one frame is refused,
// nothing changes.
struct SetGdtCall {
  std::span<const Mfn> frames;
};

// HYPERVISOR_memory_op, XENMEM_decrease_reservation: gives `frames` back in
// order, until one is not the domain's. To stop there is no error:
// HypercallResult::done tells how many were given back. A frame is free once
// nothing refers to it.
struct DecreaseReservationCall {
  std::span<const Mfn> frames;
};

// XENMEM_populate_physmap: gives each of `pfns` a frame that some domain has
// given back, in order, until a pfn has one already or no frame is left. To
// stop there is no error either. The content is what the last owner left.
struct PopulatePhysmapCall {
  std::span<const Pfn> pfns;
};

// HYPERVISOR_make_ro_and_share (J. G. Hansen on xen-devel, "Re: copy on write
// memory"; proposed as a variant of update_va_mapping, never built): the pages
// mapped at `mappings` become read-only and are shared with all domains that
// have shared the same content. Addresses in a row that map one frame are that
// page's mappings, and must be all that there are. With several pages this is
// the batched form: one flush serves all.
//
// A page that is shared belongs to no domain any more: its frame number is the
// caller's only as long as the caller maps it. The entries named lead to the
// shared frame afterwards, and carry kSharedMark. A page that is shared already
// stays as it is.
//
// HypercallResult::done counts addresses, up to the first page that is refused.
// Errors: EINVAL for an address that maps nothing or device memory, or a
// mapping named twice; EBUSY for a page that is referred to in other ways too
// (EINVAL under the rules of Xen 3.0, which has no other).
struct MakeRoAndShareCall {
  std::span<const VirtAddr> mappings;
};

// Tells the guest that a write fault is one on a shared page: one of the bits
// of an entry that are the guest's own (AVL; which one is assumed). Xen sets
// it, and leaves it to the guest from then on.
inline constexpr uint64_t kSharedMark = uint64_t{1} << 9;

using Subcall = std::variant<MmuUpdateCall, MmuextCall, UpdateVaMappingCall,
                             VmAssistCall, SetGdtCall, DecreaseReservationCall,
                             PopulatePhysmapCall, MakeRoAndShareCall>;

// HYPERVISOR_multicall: several calls, one ring crossing, executed in order; a
// refused one does not stop those after it. Each has its own result, in
// HypercallResult::entries.
struct MulticallCall {
  std::span<const Subcall> calls;
};

using Hypercall =
    std::variant<MmuUpdateCall, MmuextCall, UpdateVaMappingCall, VmAssistCall,
                 SetGdtCall, DecreaseReservationCall, PopulatePhysmapCall,
                 MakeRoAndShareCall, MulticallCall>;

struct HypercallResult {
  // The status of the first refused request; see xmmu/xen/errno.h. For a
  // multicall it is that of the first call refused, though HYPERVISOR_multicall
  // itself answers 0.
  absl::Status status;
  // Requests, operations, frames or calls completed.
  uint32_t done = 0;
  // For a multicall, what each of its calls would have answered by itself, in
  // order, one for each call (Xen: multicall_entry.result, written for
  // each by do_multicall, xen/common/multicall.c). Empty for other calls.
  std::vector<HypercallResult> entries = {};
};

}  // namespace xmmu

#endif  // XMMU_XEN_HYPERCALL_H_
