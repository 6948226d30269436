#ifndef XMMU_LIB_WORKLOAD_LINUX_TEXT_XEN_TALLY_H_
#define XMMU_LIB_WORKLOAD_LINUX_TEXT_XEN_TALLY_H_

// What a paravirtual Linux asked of Xen, counted from its `xen:` events: its
// operations on page tables, and the hypercalls that they became.
//
// A queue of calls is issued by xen_mc_flush: one call by itself, several as a
// multicall (arch/x86/xen/multicalls.c). What is queued adds up, for each CPU,
// from xen_mc_entry and xen_mc_extend_args. A set_pte outside lazy mode is a
// hypercall by itself without any xen_mc_ event (xen_set_pte,
// arch/x86/xen/mmu_pv.c). Emulated writes are in no event of Linux's.
//
// Single-threaded.

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "workload/linux_text/text_event.h"
#include "workload/linux_text/xen_event.h"

namespace xmmu {

// Numbers of hypercalls (Xen, xen/include/public/xen.h).
inline constexpr uint32_t kHypercallMmuUpdate = 1;
inline constexpr uint32_t kHypercallMulticall = 13;
inline constexpr uint32_t kHypercallUpdateVaMapping = 14;
inline constexpr uint32_t kHypercallMmuextOp = 26;
inline constexpr uint32_t kHypercallNumbers = 64;  // below this

// Counts of some tasks' events.
struct XenCounts {
  // Of one hypercall by its number.
  struct Call {
    uint64_t calls = 0;       // by themselves
    uint64_t members = 0;     // of multicalls
    uint64_t operations = 0;  // updates of mmu_update, operations of mmuext_op
  };

  std::array<uint64_t, kXenEventKinds> events{};  // by XenEventKind
  std::array<Call, kHypercallNumbers> calls{};
  uint64_t multicalls = 0;
  uint64_t empty_flushes = 0;  // of queues with nothing in them
  uint64_t joined = 0;         // extensions that were OK
  uint64_t lone_set_ptes = 0;  // that were a hypercall by themselves
  uint64_t queued_set_ptes = 0;
  // Tables by level, 1 to 4 (L1 to L4), that were announced as part of a pinned
  // tree, and as part of one that is not.
  std::array<uint64_t, 5> tables_pinned{};
  std::array<uint64_t, 5> tables_unpinned{};
  uint64_t user_cr3 = 0;  // of kWriteCr3 those of user mode
  // Calls in a flush -> how often.
  absl::btree_map<uint64_t, uint64_t> flush_sizes;

  uint64_t of(XenEventKind kind) const {
    return events[static_cast<size_t>(kind)];
  }
  // Entries into Xen for page tables: mmu_update, update_va_mapping and mmuext_op
  // by themselves, and multicalls.
  uint64_t hypercalls() const;
  XenCounts& operator+=(const XenCounts& other);
};

class XenTally {
 public:
  // Counts `xen` in `counts`; `event` is the one it was read from.
  void Add(const TextEvent& event, const XenEvent& xen, XenCounts& counts);

  // How many address spaces were named: up to 65536 are told apart.
  uint64_t address_spaces() const { return spaces_.size(); }
  // Whether a flush had other calls than were queued: events are missing.
  uint64_t flushes_unlike_queue() const { return unlike_; }

 private:
  struct Queued {
    uint32_t op = 0;
    uint64_t operations = 0;
  };
  struct Cpu {
    std::vector<Queued> queue;
    uint64_t unknown = 0;       // calls beyond a bounded queue
    bool set_pte_last = false;  // an mmu_update that is queued now is its own
  };

  void Queue(const XenEvent& xen, Cpu& cpu, XenCounts& counts);
  void Flush(const XenEvent& xen, Cpu& cpu, XenCounts& counts);

  absl::btree_map<uint32_t, Cpu> cpus_;
  absl::btree_set<std::string> spaces_;
  uint64_t unlike_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LINUX_TEXT_XEN_TALLY_H_
