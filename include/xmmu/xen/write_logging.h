#ifndef XMMU_XEN_WRITE_LOGGING_H_
#define XMMU_XEN_WRITE_LOGGING_H_

// The log of a domain's writes (xmmu/xen/dirty_log.h) as the toolstack uses it
// for live migration: switched on, fetched round by round, switched off. Each
// strategy derives its own from WriteLogging.
//
// The CPU on which the toolstack's domctl runs is charged. The domain is paused
// meanwhile; pausing it, and what the toolstack does with the pages, is not
// charged. Single-threaded.

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xmmu/xen/dirty_log.h"

namespace xmmu {

// Whether Fetch() leaves the marks as they are.
enum class DirtyFetch : uint8_t {
  kPeek,   // XEN_DOMCTL_SHADOW_OP_PEEK: a copy
  kClean,  // XEN_DOMCTL_SHADOW_OP_CLEAN: a copy, and all bits are clear again
};

// How the writes of one domain are logged under one strategy (Xen: struct
// log_dirty_ops with paging_log_dirty_enable, _op and _disable around it).
class WriteLogging {
 public:
  // `host` and `domain` outlive the object.
  WriteLogging(Host& host, Domain& domain) : host_(host), domain_(domain) {}
  virtual ~WriteLogging() = default;
  WriteLogging(const WriteLogging&) = delete;
  WriteLogging& operator=(const WriteLogging&) = delete;

  // Begins logging, with no page marked. Charges `cpu` one hypercall and what
  // the strategy does.
  // Errors: InvalidArgument (EINVAL) if logging is on; otherwise what the
  // strategy says. After an error nothing has changed.
  absl::Status Start(Cpu& cpu);
  // Returns the pages marked since the start or the last kClean. Charges `cpu`
  // one hypercall, kCopyIn for each KiB of the bitmap and kCopyPage for each 4
  // KiB begun; with kClean also kZeroPage for each 4 KiB and what the strategy
  // does. Errors: InvalidArgument if logging is off.
  absl::StatusOr<DirtyBitmap> Fetch(Cpu& cpu, DirtyFetch how);
  // Ends logging, and forgets what was marked. Charges as Start().
  // Errors: InvalidArgument if logging is off.
  absl::Status Stop(Cpu& cpu);

 private:
  // What a strategy does. Each of the three charges `cpu` for entries written
  // and looked at and for the flushes that it owes, and leaves no vCPU able to
  // write to a page that is not marked while the log is on.

  // Called when the log has just been switched on and is empty.
  virtual absl::Status EnableLogging(Cpu& cpu) = 0;
  // Called when the log has just been emptied of `marked`: no page but these
  // can be writable.
  virtual void CleanLog(Cpu& cpu, const DirtyBitmap& marked) = 0;
  // Called when the log has just been switched off.
  virtual void DisableLogging(Cpu& cpu) = 0;

  // Charges the hypercall by which the toolstack asks.
  void ChargeDomctl(Cpu& cpu) const;

  Host& host_;
  Domain& domain_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_WRITE_LOGGING_H_
