#include "xmmu/xen/write_logging.h"

#include "xmmu/xen/errno.h"
#include "xmmu/xen/host.h"

namespace xmmu {
namespace {

// The bitmap is copied to the toolstack in pieces of this size (Xen 3.0.3:
// 8 * 1024 bits).
constexpr uint64_t kChunkBytes = 1024;

// How many pieces of `size` bytes `bytes` take, the last one being begun.
constexpr uint64_t Pieces(uint64_t bytes, uint64_t size) {
  return (bytes + size - 1) / size;
}

}  // namespace

// The toolstack's domain is 64-bit if the hypervisor is.
void WriteLogging::ChargeDomctl(Cpu& cpu) const {
  cpu.clock.Charge(host_.model().features.long_mode
                       ? CostEvent::kHypercallSyscall
                       : CostEvent::kHypercallInt);
  cpu.clock.Charge(CostEvent::kHypercallWork);
  cpu.counters.Add(Counter::kHypercalls);
}

absl::Status WriteLogging::Start(Cpu& cpu) {
  DirtyLog& log = domain_.dirty_log();
  ChargeDomctl(cpu);
  if (log.enabled_) return XenError(XenErrno::kEINVAL, "log-dirty is on");
  log.enabled_ = true;
  log.bitmap_ = DirtyBitmap(domain_.p2m().size());
  const absl::Status status = EnableLogging(cpu);
  if (!status.ok()) log = DirtyLog();
  return status;
}

absl::StatusOr<DirtyBitmap> WriteLogging::Fetch(Cpu& cpu, DirtyFetch how) {
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
  CleanLog(cpu, copy);
  return copy;
}

absl::Status WriteLogging::Stop(Cpu& cpu) {
  DirtyLog& log = domain_.dirty_log();
  ChargeDomctl(cpu);
  if (!log.enabled_) return XenError(XenErrno::kEINVAL, "log-dirty is off");
  log = DirtyLog();
  DisableLogging(cpu);
  return absl::OkStatus();
}

}  // namespace xmmu
