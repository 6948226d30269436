#ifndef XMMU_LIB_GUEST_MULTICALL_QUEUE_H_
#define XMMU_LIB_GUEST_MULTICALL_QUEUE_H_

// The queue through which each vCPU of a pvops kernel reaches Xen: entries are
// collected in order and issued together.
//
//   * at most 32 entries and less than 512 bytes of arguments; what does not
//     fit any more issues the queue first;
//   * a request of the same hypercall as the last entry's extends that entry
//     while its arguments fit;
//   * one entry is issued as the plain hypercall it is, several as a multicall.
//
// Source: Linux 6.1, arch/x86/xen/multicalls.c; measured on Xen 4.17. With
// other limits it is the queue of Linux 2.4.

#include <cstdint>
#include <vector>

#include "guest/kernel_core.h"
#include "xmmu/xen/hypercall.h"

namespace xmmu {

struct QueueLimits {
  size_t entries = SIZE_MAX;
  size_t bytes = SIZE_MAX;     // arguments stay below this
  size_t requests = SIZE_MAX;  // this many of all kinds are issued at once
};

class MulticallQueue {
 public:
  static constexpr size_t kMaxEntries = 32;      // MC_BATCH
  static constexpr size_t kArgumentBytes = 512;  // MC_ARGS
  static constexpr size_t kUpdateBytes = 16;     // struct mmu_update
  static constexpr size_t kOpBytes = 24;  // struct mmuext_op, with padding

  MulticallQueue(KernelCore& core, Vcpu& vcpu,
                 const QueueLimits& limits = {.entries = kMaxEntries,
                                              .bytes = kArgumentBytes})
      : core_(core), vcpu_(vcpu), limits_(limits) {}

  void AddUpdate(const MmuUpdate& request);
  void AddOp(const MmuextOp& op);
  void AddMapping(const UpdateVaMappingCall& call);

  // Call this when the requests added so far are complete: it issues them, or
  // in a lazy region keeps them for later (xen_mc_issue).
  void Issue() {
    if (!lazy_) Flush();
  }
  // Issues all entries, if there are any (xen_mc_flush).
  void Flush();

  bool lazy() const { return lazy_; }
  void set_lazy(bool lazy) { lazy_ = lazy; }

 private:
  enum class Kind : uint8_t { kUpdates, kOps, kMapping };
  // An entry holds the requests [first, first + count) of its kind.
  struct Entry {
    Kind kind;
    size_t first = 0;
    size_t count = 1;
  };

  // Makes room for the next request, with `bytes` of arguments: as a part of
  // the last entry if it `extends` one of its kind and there is room, else as
  // an entry of its own.
  void Reserve(Kind kind, size_t bytes, bool extends);
  void IssueIfFull();
  size_t CountOf(Kind kind) const;
  Subcall SubcallOf(const Entry& entry) const;

  KernelCore& core_;
  Vcpu& vcpu_;
  const QueueLimits limits_;
  bool lazy_ = false;
  size_t bytes_ = 0;
  std::vector<Entry> entries_;
  std::vector<MmuUpdate> updates_;
  std::vector<MmuextOp> ops_;
  std::vector<UpdateVaMappingCall> mappings_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_MULTICALL_QUEUE_H_
