#ifndef XMMU_XEN_DIRTY_LOG_H_
#define XMMU_XEN_DIRTY_LOG_H_

// Which pages of a domain have been written to since somebody last asked: what
// live migration goes by (Xen: log-dirty mode; XEN_DOMCTL_SHADOW_OP_*,
// xen/arch/x86/mm/paging.c, 4.17; Xen 3.0.3: xen/arch/x86/mm/shadow/common.c,
// shadow_log_dirty_op).
//
// The log is a bitmap by pfn and belongs to the domain. Two kinds of writers
// set its bits. The hypervisor, wherever it writes to guest memory itself (A
// and D flags that it sets in a guest's tables, emulated stores, updates of
// tables by hypercall), calls MarkDirty(). The processor's writes, its own A
// and D updates included, are stopped by entries that are not writable; how
// that is done is each strategy's own: a LogDirty.
//
//   while logging: what a processor can write to without a fault is marked.
//
// A page may be marked that nobody has written to; never the other way round.
// A pfn that comes to lead elsewhere, or nowhere, is marked as well; and so is
// a page of a paravirtual domain whose type or pin changes, which the toolstack
// sends with it (see pv_log_dirty.h).
//
// Charged is the CPU on which the toolstack's domctl runs. The domain is paused
// meanwhile; pausing it, and what the toolstack does with the pages, is not
// charged. Single-threaded.

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xmmu/base/address.h"

namespace xmmu {

class Domain;
class Host;
struct Cpu;

// A bit a pfn.
class DirtyBitmap {
 public:
  // All clear.
  explicit DirtyBitmap(uint64_t pfns = 0) : words_((pfns + 63) / 64) {}

  bool Test(Pfn pfn) const {
    const uint64_t word = pfn.value() / 64;
    return word < words_.size() && (words_[word] >> pfn.value() % 64 & 1) != 0;
  }
  // Sets the bit, growing as it must; whether it was clear.
  bool Set(Pfn pfn);
  uint64_t count() const { return count_; }
  // Those that are set, ascending.
  std::vector<Pfn> Pfns() const;
  // As the toolstack's buffer holds it.
  uint64_t bytes() const { return words_.size() * sizeof(uint64_t); }

  bool operator==(const DirtyBitmap&) const = default;

 private:
  std::vector<uint64_t> words_;
  uint64_t count_ = 0;
};

// Xen: arch.paging.log_dirty.
class DirtyLog {
 public:
  // PG_log_dirty
  bool enabled() const { return enabled_; }
  const DirtyBitmap& bitmap() const { return bitmap_; }
  bool IsDirty(Pfn pfn) const { return bitmap_.Test(pfn); }

  // Nothing, if the log is off or `pfn` is none. Whether the bit was clear.
  // Charges nothing: for the P2M's own changes; see MarkDirty().
  bool Mark(Pfn pfn) {
    return enabled_ && pfn != kInvalidPfn && bitmap_.Set(pfn);
  }

 private:
  friend class LogDirty;

  bool enabled_ = false;
  DirtyBitmap bitmap_;
};

// The hypervisor has written, or lets a processor write, to the page at `pfn`
// (Xen: paging_mark_pfn_dirty). Nothing and free if `domain` is not being
// logged. Charges `cpu` kLockedOp for the log's lock and, if the bit was clear,
// kXenPteWrite (assumed: the flat bitmap of Xen 3.0); counts kLogDirtyMarked
// then.
void MarkDirty(Cpu& cpu, Domain& domain, Pfn pfn);
// The same by machine frame (Xen: paging_mark_dirty).
void MarkDirty(Cpu& cpu, Domain& domain, Mfn mfn);
// The same of whichever domain's it is.
void MarkDirty(Cpu& cpu, Host& host, Mfn mfn);

enum class DirtyFetch : uint8_t {
  kPeek,   // XEN_DOMCTL_SHADOW_OP_PEEK: a copy
  kClean,  // XEN_DOMCTL_SHADOW_OP_CLEAN: a copy, and all bits are clear again
};

// The log-dirty mode of one domain under one strategy (Xen: struct
// log_dirty_ops with paging_log_dirty_enable, _op and _disable around it).
class LogDirty {
 public:
  // Both outlive it.
  LogDirty(Host& host, Domain& domain) : host_(host), domain_(domain) {}
  virtual ~LogDirty() = default;
  LogDirty(const LogDirty&) = delete;
  LogDirty& operator=(const LogDirty&) = delete;

  // Logging begins with no page marked. Charges `cpu` one hypercall and what
  // the strategy does.
  // Errors: InvalidArgument (EINVAL) if it is on; what the strategy says,
  // nothing changed.
  absl::Status Start(Cpu& cpu);
  // The pages marked since the start or the last kClean. Charges `cpu` one
  // hypercall, kCopyIn for each KiB of the bitmap and kCopyPage for each 4 KiB
  // begun; with kClean also kZeroPage for each 4 KiB and what the strategy
  // does.
  // Errors: InvalidArgument if it is off.
  absl::StatusOr<DirtyBitmap> Fetch(Cpu& cpu, DirtyFetch how);
  // Logging ends; what was marked is forgotten. Charges as Start().
  // Errors: InvalidArgument if it is off.
  absl::Status Stop(Cpu& cpu);

 private:
  // What a strategy does; each charges `cpu` for entries written and looked at,
  // and flushes that it owes. Each leaves no vCPU able to write to a page that
  // is not marked.

  // The log has just been switched on and is empty.
  virtual absl::Status EnableLogDirty(Cpu& cpu) = 0;
  // The log has just been emptied of `marked`: nothing else can be writable.
  virtual void CleanLogDirty(Cpu& cpu, const DirtyBitmap& marked) = 0;
  // The log has just been switched off.
  virtual void DisableLogDirty(Cpu& cpu) = 0;

  void ChargeDomctl(Cpu& cpu) const;

  Host& host_;
  Domain& domain_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_DIRTY_LOG_H_
