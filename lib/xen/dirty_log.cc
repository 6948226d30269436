#include "xmmu/xen/dirty_log.h"

#include <bit>

#include "xmmu/xen/errno.h"
#include "xmmu/xen/host.h"

namespace xmmu {
namespace {

// What the bitmap is copied to the toolstack in (Xen 3.0.3: 8 * 1024 bits).
constexpr uint64_t kChunkBytes = 1024;

constexpr uint64_t Pieces(uint64_t bytes, uint64_t size) {
  return (bytes + size - 1) / size;
}

}  // namespace

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
}

void MarkDirty(Cpu& cpu, Domain& domain, Mfn mfn) {
  if (!domain.dirty_log().enabled()) return;
  MarkDirty(cpu, domain, domain.p2m().PfnOf(mfn));
}

void MarkDirty(Cpu& cpu, Host& host, Mfn mfn) {
  Domain* const owner = host.FindDomain(host.frames()[mfn].owner);
  if (owner != nullptr) MarkDirty(cpu, *owner, mfn);
}

// The toolstack's domain is of the hypervisor's width.
void LogDirty::ChargeDomctl(Cpu& cpu) const {
  cpu.clock.Charge(host_.model().features.long_mode
                       ? CostEvent::kHypercallSyscall
                       : CostEvent::kHypercallInt);
  cpu.clock.Charge(CostEvent::kHypercallWork);
  cpu.counters.Add(Counter::kHypercalls);
}

absl::Status LogDirty::Start(Cpu& cpu) {
  DirtyLog& log = domain_.dirty_log();
  ChargeDomctl(cpu);
  if (log.enabled_) return XenError(XenErrno::kEINVAL, "log-dirty is on");
  log.enabled_ = true;
  log.bitmap_ = DirtyBitmap(domain_.p2m().size());
  const absl::Status status = EnableLogDirty(cpu);
  if (!status.ok()) log = DirtyLog();
  return status;
}

absl::StatusOr<DirtyBitmap> LogDirty::Fetch(Cpu& cpu, DirtyFetch how) {
  DirtyLog& log = domain_.dirty_log();
  ChargeDomctl(cpu);
  if (!log.enabled_) return XenError(XenErrno::kEINVAL, "log-dirty is off");
  DirtyBitmap copy = log.bitmap_;
  const uint64_t pages = Pieces(copy.bytes(), kPageSize);
  cpu.clock.Charge(CostEvent::kCopyIn, Pieces(copy.bytes(), kChunkBytes));
  cpu.clock.Charge(CostEvent::kCopyPage, pages);
  if (how == DirtyFetch::kPeek) return copy;
  cpu.clock.Charge(CostEvent::kZeroPage, pages);
  cpu.counters.Add(Counter::kLogDirtyRounds);
  log.bitmap_ = DirtyBitmap(domain_.p2m().size());
  CleanLogDirty(cpu, copy);
  return copy;
}

absl::Status LogDirty::Stop(Cpu& cpu) {
  DirtyLog& log = domain_.dirty_log();
  ChargeDomctl(cpu);
  if (!log.enabled_) return XenError(XenErrno::kEINVAL, "log-dirty is off");
  log = DirtyLog();
  DisableLogDirty(cpu);
  return absl::OkStatus();
}

}  // namespace xmmu
