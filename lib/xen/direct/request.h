#ifndef XMMU_LIB_XEN_DIRECT_REQUEST_H_
#define XMMU_LIB_XEN_DIRECT_REQUEST_H_

// One hypercall or fault of a paravirtual guest while Xen works on it: who
// asked, who pays, under which rules, why it is refused, and the TLB work that
// it will owe at the end.
//
// The rules of direct paging are written as parts, a class a concept, each of
// which works on one request and keeps nothing of its own from one request to
// the next:
//
//   PageTypes        references and types of frames, and entries of tables
//   L1Lookup         the L1 entry that maps an address
//   WritableTables   tables open for their guest's stores (ptwr)
//   PteEmulator      one emulated store to a table
//   PageSharing      make_ro_and_share
//   BasePointers     pins and base pointers
//   Hypercalls       the calls that a guest makes
//
// Validation is not preempted. Where Xen parks a half validated or no longer
// used table in vcpu->arch.old_guest_table and finishes with it later in the
// same hypercall, it is finished with at once; what the guest sees is the same.
//
// A request is made on the stack. Single-threaded.

#include <string_view>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/status/status.h"
#include "xen/direct/pv_rules.h"
#include "xmmu/base/span_log.h"
#include "xmmu/machine/pte.h"
#include "xmmu/mmu/pending_invalidation.h"
#include "xmmu/xen/domain.h"
#include "xmmu/xen/errno.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/internal/direct_paging_state.h"
#include "xmmu/xen/internal/page_info.h"

namespace xmmu {

struct PvRequest {
  // A request of `vcpu`, which its own CPU pays for.
  PvRequest(Host& on_host, VcpuContext& of_vcpu, const PvRules& by_rules);
  // A request in the name of `vcpu` that `payer` executes and pays for.
  PvRequest(Host& on_host, VcpuContext& of_vcpu, const PvRules& by_rules,
            Cpu& payer);
  PvRequest(const PvRequest&) = delete;
  PvRequest& operator=(const PvRequest&) = delete;

  // Executes the TLB flushes that are owed. To be called once, at the end.
  void Finish() { host.Apply(cpu, pending); }

  // The Status of `error`, with the reason given where it was found.
  absl::Status StatusOf(XenErrno error) const {
    return error == XenErrno::kOk ? absl::OkStatus() : XenError(error, why);
  }

  Host& host;
  VcpuContext& vcpu;
  Domain& domain;
  Cpu& cpu;
  const PvRules& rules;
  // Flushes owed at the end of the request.
  PendingInvalidation pending;
  // Why the request was last refused.
  std::string_view why = "refused";
};

// What all parts of direct paging do alike: they charge and count, refuse,
// read and write entries of the guest's tables, and flush.
class RequestPart {
 protected:
  // `request` outlives the part.
  explicit RequestPart(PvRequest& request)
      : request_(request),
        host_(request.host),
        vcpu_(request.vcpu),
        domain_(request.domain),
        direct_(request.domain.direct()),
        cpu_(request.cpu),
        rules_(request.rules) {}

  void Charge(CostEvent event, uint64_t times = 1) {
    cpu_.clock.Charge(event, times);
  }
  void Count(Counter counter, uint64_t times = 1) {
    cpu_.counters.Add(counter, times);
  }

  // A function of Xen's, by the name that it has under these rules.
  Span XenSpan(const char* name) const {
    return Span(cpu_.clock, Actor::kXen, name);
  }
  Span XenSpan(const char* in_4_17, const char* in_3_0) const {
    return XenSpan(rules_.detailed_errors ? in_4_17 : in_3_0);
  }
  Step XenStep(const char* name) const {
    return Step(cpu_.clock, Actor::kXen, name);
  }

  // Notes why a request is refused. Returns `error`, or EINVAL under rules
  // that know no other error.
  XenErrno Refuse(XenErrno error, std::string_view why) {
    return RefuseAs(rules_.detailed_errors ? error : XenErrno::kEINVAL, why);
  }
  // Notes why a request is refused, and returns `error` under all rules.
  XenErrno RefuseAs(XenErrno error, std::string_view why) {
    request_.why = why;
    return error;
  }
  absl::Status StatusOf(XenErrno error) const {
    return request_.StatusOf(error);
  }

  PageInfo& Page(Mfn mfn) { return host_.frames()[mfn]; }
  PageInfo Page(Mfn mfn) const { return std::as_const(host_).frames()[mfn]; }

  int entry_bytes() const { return EntryBytes(rules_.mode); }
  int CountSlots(int level) const { return EntryCount(rules_.mode, level); }
  MachineAddr EntryOf(Mfn table, int slot) const {
    return EntryAddress(rules_.mode, AddressOf(table), slot);
  }
  int SlotOf(MachineAddr entry) const {
    return static_cast<int>(PageOffset(entry)) / entry_bytes();
  }
  // `value` as an entry of the guest's mode holds it.
  Pte EntryValue(uint64_t value) const {
    return Pte(entry_bytes() == 8 ? value : value & 0xffffffffu);
  }

  // Loads and stores of Xen's that are not charged, since the caller charges
  // for many entries at once, or none. A store marks the table dirty and is
  // followed by its shadows while the domain is being logged.
  ABSL_ATTRIBUTE_ALWAYS_INLINE Pte Load(MachineAddr entry) const {
    return Pte(host_.memory().ReadEntry(entry, entry_bytes()));
  }
  void Store(MachineAddr entry, Pte value) {
    host_.memory().WriteEntry(entry, entry_bytes(), value.raw());
    if (domain_.dirty_log().enabled()) NoteStore(entry, value);
  }
  // Stores to an entry of a table that becomes one just now, or ceases to be
  // one: the table has been marked as a whole, and there is no shadow of it.
  void StoreUnlogged(MachineAddr entry, Pte value) {
    host_.memory().WriteEntry(entry, entry_bytes(), value.raw());
  }
  // Reads an entry; charges kXenPteRead.
  Pte ReadEntry(MachineAddr entry) {
    Charge(CostEvent::kXenPteRead);
    return Load(entry);
  }
  // Replaces `old` by `value` with a locked write, which keeps A and D of `old`
  // if `preserve_ad`; charges kXenPteCas.
  void UpdateEntry(MachineAddr entry, Pte old, Pte value, bool preserve_ad) {
    constexpr uint64_t kAd = pte::kAccessed | pte::kDirty;
    Charge(CostEvent::kXenPteCas);
    Store(entry, preserve_ad ? value.With(old.raw() & kAd) : value);
  }

  CpuMask own_cpu() const { return MaskOf(cpu_.id); }
  // The flush by which this Xen flushes "the TLB".
  TlbFlush FullFlush() const { return {rules_.full_flush, VirtAddr()}; }
  void FlushNow(CpuMask cpus, const TlbFlush& flush) {
    host_.Flush(cpu_, cpus, flush);
  }
  // Executes INVLPG for `va` on `cpus`; nothing for an address of Xen's.
  void FlushPage(CpuMask cpus, VirtAddr va);

  // Whether processors walk shadows, and Xen the guest's tables by software.
  bool walks_shadows() const { return direct_.write_logging() != nullptr; }

  PvRequest& request_;
  Host& host_;
  VcpuContext& vcpu_;
  Domain& domain_;
  DirectPagingState& direct_;
  Cpu& cpu_;
  const PvRules& rules_;

 private:
  // Marks the table of `entry` dirty and lets its shadows follow (Xen:
  // paging_write_guest_entry).
  void NoteStore(MachineAddr entry, Pte value);
};

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_REQUEST_H_
