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
// that is done is each strategy's own: see WriteLogging in
// xmmu/xen/write_logging.h, which also switches the log on and off.
//
//   while logging: what a processor can write to without a fault is marked.
//
// A page may be marked that nobody has written to; never the other way round.
// A pfn that comes to lead elsewhere, or nowhere, is marked as well; and so is
// a page of a paravirtual domain whose type or pin changes, which the toolstack
// sends with it.
//
// Single-threaded.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "xmmu/base/address.h"

namespace xmmu {

class Domain;
class Host;
struct Cpu;

// A set of pfns: one bit for each in the toolstack's buffer. On the host only
// pieces of it that have bits set take memory.
class DirtyBitmap {
 public:
  // All clear.
  explicit DirtyBitmap(uint64_t pfns = 0) : words_((pfns + 63) / 64) {}

  bool Test(Pfn pfn) const {
    const uint64_t word = pfn.value() / 64;
    const uint64_t piece = word / kPieceWords;
    if (piece >= pieces_.size() || pieces_[piece].empty()) return false;
    return (pieces_[piece][word % kPieceWords] >> pfn.value() % 64 & 1) != 0;
  }
  // Sets the bit, and grows the bitmap if need be. Returns whether the bit was
  // clear.
  bool Set(Pfn pfn);
  uint64_t count() const { return count_; }
  // The pfns whose bits are set, ascending.
  std::vector<Pfn> Pfns() const;
  // Size of the bitmap in the toolstack's buffer.
  uint64_t bytes() const { return words_ * sizeof(uint64_t); }
  // Host bytes in use.
  uint64_t host_bytes() const;

  bool operator==(const DirtyBitmap&) const = default;

 private:
  static constexpr size_t kPieceWords = 512;

  uint64_t words_;
  // Those with a bit set have their words, the others none.
  std::vector<std::vector<uint64_t>> pieces_;
  uint64_t count_ = 0;
};

// The log of one domain (Xen: arch.paging.log_dirty).
class DirtyLog {
 public:
  // Whether the domain's writes are being logged (Xen: PG_log_dirty).
  bool enabled() const { return enabled_; }
  const DirtyBitmap& bitmap() const { return bitmap_; }
  bool IsDirty(Pfn pfn) const { return bitmap_.Test(pfn); }

  // Marks `pfn`, unless the log is off or `pfn` is kInvalidPfn. Returns whether
  // the bit was clear. Charges nothing, since it serves the P2M's own changes;
  // see MarkDirty() for writes.
  bool Mark(Pfn pfn) {
    return enabled_ && pfn != kInvalidPfn && bitmap_.Set(pfn);
  }

 private:
  friend class WriteLogging;

  bool enabled_ = false;
  DirtyBitmap bitmap_;
};

// Marks the page at `pfn`, to which the hypervisor has written, or lets a
// processor write (Xen: paging_mark_pfn_dirty). Does nothing, free of charge,
// if `domain` is not being logged. Charges `cpu` kLockedOp for the log's lock;
// if the bit was clear, also kXenPteWrite (assumed: the flat bitmap of Xen 3.0)
// and counts kLogDirtyMarked.
void MarkDirty(Cpu& cpu, Domain& domain, Pfn pfn);
// Marks the page in the machine frame `mfn` (Xen: paging_mark_dirty).
void MarkDirty(Cpu& cpu, Domain& domain, Mfn mfn);
// Marks the frame dirty for the domain that owns it, whichever that is.
void MarkDirty(Cpu& cpu, Host& host, Mfn mfn);

}  // namespace xmmu

#endif  // XMMU_XEN_DIRTY_LOG_H_
