#ifndef XMMU_MMU_PENDING_INVALIDATION_H_
#define XMMU_MMU_PENDING_INVALIDATION_H_

// The TLB flush that a change of page tables owes. Code that changes tables
// collects what has to be flushed and on which CPUs; whoever started the change
// applies it once at the end (Xen: the deferred operations of mmu_update). A
// lost flush, the classic error here, ends in a CHECK instead of a stale entry.
//
// Single-threaded.

#include <cstdint>

#include "xmmu/base/address.h"
#include "xmmu/base/check.h"

namespace xmmu {

// A set of CPUs or vCPUs, bit n for number n; at most 64.
using CpuMask = uint64_t;
inline constexpr int kMaxCpus = 64;

constexpr CpuMask MaskOf(uint32_t cpu) { return CpuMask{1} << cpu; }

// How much a flush drops, each including the ones before.
enum class FlushScope : uint8_t {
  kNone,
  kPage,       // a page, or several: INVLPG for each
  kNonGlobal,  // everything but global entries: MOV to CR3
  kAll,        // everything: toggling CR4.PGE
};

struct TlbFlush {
  FlushScope scope = FlushScope::kNone;
  // kPage: `count` pages of `step` bytes each, from `va` on. They are one
  // request: a shootdown interrupts each processor once (Linux since 3.16:
  // flush_tlb_mm_range, struct flush_tlb_info).
  VirtAddr va;
  uint64_t count = 1;
  uint64_t step = kPageSize;

  static constexpr TlbFlush Page(VirtAddr va) {
    return {FlushScope::kPage, va};
  }
  // REQUIRES: `count` is not 0.
  static constexpr TlbFlush Pages(VirtAddr va, uint64_t count, uint64_t step) {
    return {FlushScope::kPage, va, count, step};
  }
  // Calls `flush(TlbFlush)` for each page, or for this if it is wider.
  template <typename Function>
  constexpr void ForEach(Function flush) const {
    if (scope != FlushScope::kPage) return flush(*this);
    for (uint64_t i = 0; i < count; ++i) flush(Page(va + i * step));
  }

  bool operator==(const TlbFlush&) const = default;
  static constexpr TlbFlush NonGlobal() { return {FlushScope::kNonGlobal, {}}; }
  static constexpr TlbFlush All() { return {FlushScope::kAll, {}}; }
};

class [[nodiscard]] PendingInvalidation {
 public:
  PendingInvalidation() = default;
  PendingInvalidation(const PendingInvalidation&) = delete;
  PendingInvalidation& operator=(const PendingInvalidation&) = delete;
  ~PendingInvalidation() { XMMU_CHECK(cpus_ == 0); }

  // Adds `flush` on `cpus`. Two different pages become a non-global flush.
  void Add(CpuMask cpus, const TlbFlush& flush) {
    if (cpus == 0 || flush.scope == FlushScope::kNone) return;
    const bool other_page = flush_.scope == FlushScope::kPage &&
                            flush.scope == FlushScope::kPage && flush_ != flush;
    if (other_page) {
      flush_ = TlbFlush::NonGlobal();
    } else if (flush.scope > flush_.scope) {
      flush_ = flush;
    }
    cpus_ |= cpus;
  }

  bool empty() const { return cpus_ == 0; }
  CpuMask cpus() const { return cpus_; }
  const TlbFlush& flush() const { return flush_; }

  // Call this when the flush has been done.
  void Consume() {
    cpus_ = 0;
    flush_ = TlbFlush();
  }

 private:
  CpuMask cpus_ = 0;
  TlbFlush flush_;
};

}  // namespace xmmu

#endif  // XMMU_MMU_PENDING_INVALIDATION_H_
