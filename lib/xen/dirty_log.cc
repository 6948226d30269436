#include "xmmu/xen/dirty_log.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "xmmu/base/span_log.h"
#include "xmmu/xen/host.h"

namespace xmmu {

bool DirtyBitmap::Set(Pfn pfn) {
  const uint64_t index = pfn.value() / 64;
  words_ = std::max(words_, index + 1);
  const uint64_t place = index / kPieceWords;
  if (place >= pieces_.size()) pieces_.resize(place + 1);
  std::vector<uint64_t>& piece = pieces_[place];
  if (piece.empty()) piece.resize(kPieceWords);
  uint64_t& word = piece[index % kPieceWords];
  const uint64_t bit = uint64_t{1} << pfn.value() % 64;
  if ((word & bit) != 0) return false;
  word |= bit;
  ++count_;
  return true;
}

std::vector<Pfn> DirtyBitmap::Pfns() const {
  std::vector<Pfn> pfns;
  pfns.reserve(count_);
  for (uint64_t place = 0; place < pieces_.size(); ++place) {
    const std::vector<uint64_t>& piece = pieces_[place];
    for (uint64_t i = 0; i < piece.size(); ++i) {
      const uint64_t first = (place * kPieceWords + i) * 64;
      for (uint64_t left = piece[i]; left != 0; left &= left - 1) {
        pfns.push_back(
            Pfn(first + static_cast<uint64_t>(std::countr_zero(left))));
      }
    }
  }
  return pfns;
}

uint64_t DirtyBitmap::host_bytes() const {
  uint64_t bytes = pieces_.size() * sizeof(pieces_[0]);
  for (const std::vector<uint64_t>& piece : pieces_) {
    bytes += piece.size() * sizeof(uint64_t);
  }
  return bytes;
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
  Domain* const owner =
      host.FindDomain(std::as_const(host).frames()[mfn].owner);
  if (owner != nullptr) MarkDirty(cpu, *owner, mfn);
}

}  // namespace xmmu
