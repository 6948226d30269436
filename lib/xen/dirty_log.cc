#include "xmmu/xen/dirty_log.h"

#include <bit>

#include "xmmu/base/span_log.h"
#include "xmmu/xen/host.h"

namespace xmmu {

bool DirtyBitmap::Set(Pfn pfn) {
  const uint64_t index = pfn.value() / 64;
  if (index >= words_.size()) words_.resize(index + 1);
  uint64_t& word = words_[index];
  const uint64_t bit = uint64_t{1} << pfn.value() % 64;
  if ((word & bit) != 0) return false;
  word |= bit;
  ++count_;
  return true;
}

std::vector<Pfn> DirtyBitmap::Pfns() const {
  std::vector<Pfn> pfns;
  pfns.reserve(count_);
  for (uint64_t i = 0; i < words_.size(); ++i) {
    for (uint64_t left = words_[i]; left != 0; left &= left - 1) {
      pfns.push_back(
          Pfn(i * 64 + static_cast<uint64_t>(std::countr_zero(left))));
    }
  }
  return pfns;
}

void MarkDirty(Cpu& cpu, Domain& domain, Pfn pfn) {
  DirtyLog& log = domain.dirty_log();
  if (!log.enabled() || pfn == kInvalidPfn) return;
  cpu.clock.Charge(CostEvent::kLockedOp);
  if (!log.Mark(pfn)) return;
  cpu.clock.Charge(CostEvent::kXenPteWrite);
  cpu.counters.Add(Counter::kLogDirtyMarked);
  NoteCounter(cpu.clock, "dirty pages", log.bitmap().count());
}

void MarkDirty(Cpu& cpu, Domain& domain, Mfn mfn) {
  if (!domain.dirty_log().enabled()) return;
  MarkDirty(cpu, domain, domain.p2m().PfnOf(mfn));
}

void MarkDirty(Cpu& cpu, Host& host, Mfn mfn) {
  Domain* const owner = host.FindDomain(host.frames()[mfn].owner);
  if (owner != nullptr) MarkDirty(cpu, *owner, mfn);
}

}  // namespace xmmu
