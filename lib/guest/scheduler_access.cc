// Executes the accesses of tasks: what a run spends its time on. An access that
// goes through at once makes no call but to translate beyond the first TLB.

#include "absl/strings/str_format.h"
#include "guest/scheduler.h"

namespace xmmu {
namespace {

// A read-modify-write asks for write access at once.
AccessKind AccessKindOf(GuestOpKind kind) {
  if (kind >= GuestOpKind::kStore) return AccessKind::kWrite;
  return kind == GuestOpKind::kFetch ? AccessKind::kExecute : AccessKind::kRead;
}

bool LiesInOnePage(const GuestOp& op) {
  return op.length <= kPageSize - PageOffset(op.va);
}

// Whether others may write what is at `va`. Its content is then no part of the
// digest, as it depends on how tasks interleave.
bool IsShared(const AddressSpace& mm, VirtAddr va) {
  if (ABSL_PREDICT_TRUE(va < mm.shared_low || va >= mm.shared_high)) {
    return false;
  }
  const Vma* const vma = mm.vmas.Find(va);
  return vma != nullptr && vma->shared();
}

// How many accesses before its turn the host is asked for what one reads: a miss
// of the host takes about as long as these, if they walk.
constexpr size_t kLookahead = 4;

// Asks the host for what a later access reads, if it is there and is an access.
void LookAhead(const Mmu& mmu, std::span<const GuestOp> ops, size_t later) {
  if (later >= ops.size() || ops[later].kind > GuestOpKind::kModify) return;
  mmu.PrefetchHost(ops[later].va);
}

// Whether so many walks of so many accesses are enough to look ahead: where few
// accesses walk the host has what they read in its caches anyhow.
bool WalkOften(uint64_t walks, size_t accesses) { return walks > accesses / 8; }

}  // namespace

absl::Status Scheduler::FaultsForEver(VirtAddr va) {
  return absl::InternalError(
      absl::StrFormat("an access at 0x%x faults for ever", va.value()));
}

size_t Scheduler::RunAccesses(Task& task, Vcpu& vcpu,
                              std::span<const GuestOp> ops, Cycles limit,
                              absl::Status& status) {
  EnterUser(task, vcpu);
  AddressSpace& mm = *task.mm;
  Sightings* const sightings = task.digest.sightings();
  // Each load waits for the digest of the one before, so it is kept at hand
  // until somebody else needs it.
  uint64_t digest = task.digest.value();
  const Cpu& cpu = vcpu.cpu();
  const uint64_t walks_before = cpu.counters[Counter::kPageWalks];
  const bool looks_ahead = task.walks_often;
  size_t done = 0;
  do {
    if (looks_ahead) LookAhead(cpu.mmu, ops, done + kLookahead);
    const GuestOp& op = ops[done];
    if (op.kind > GuestOpKind::kModify) break;
    ++done;
    const AccessKind kind = AccessKindOf(op.kind);
    if (ABSL_PREDICT_FALSE(!LiesInOnePage(op))) {
      task.digest.set_value(digest);
      status = ExecuteAccess(task, vcpu, op);
      digest = task.digest.value();
      if (!status.ok()) break;
      continue;
    }
    const uint64_t value = task.NextValue(kind);
    uint64_t token = 0;
    const TranslateResult result =
        vcpu.TryUserAccess(kind, op.va, value, &token);
    if (ABSL_PREDICT_TRUE(result.ok())) {
      const bool read = kind != AccessKind::kWrite;
      bool counts = read;
      if (ABSL_PREDICT_TRUE(sightings == nullptr)) {
        counts = read && !IsShared(mm, op.va);
      } else if (read) {
        counts = sightings->Load(mm, op.va, token);
      } else {
        sightings->Store(mm, op.va, writers_);
      }
      if (counts) digest = MixHash(digest, token);
      continue;
    }
    task.digest.set_value(digest);
    status = FinishAccess(task, vcpu, kind, op.va, value, result.fault());
    digest = task.digest.value();
    if (!status.ok()) break;
  } while (done < ops.size() && vcpu.now() <= limit);
  task.digest.set_value(digest);
  const uint64_t walks = cpu.counters[Counter::kPageWalks] - walks_before;
  task.walks_often = WalkOften(walks, done);
  return done;
}

absl::Status Scheduler::ExecuteAccess(Task& task, Vcpu& vcpu,
                                      const GuestOp& op) {
  const AccessKind kind = AccessKindOf(op.kind);
  if (LiesInOnePage(op)) return AccessPage(task, vcpu, kind, op.va);
  const VirtAddr end = op.va + op.length;
  for (VirtAddr va = op.va; va < end; va = PageBase(va) + kPageSize) {
    const absl::Status status = AccessPage(task, vcpu, kind, va);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Scheduler::AccessPage(Task& task, Vcpu& vcpu, AccessKind kind,
                                   VirtAddr va) {
  const uint64_t value = task.NextValue(kind);
  uint64_t token = 0;
  const TranslateResult result = vcpu.TryUserAccess(kind, va, value, &token);
  if (!result.ok()) {
    return FinishAccess(task, vcpu, kind, va, value, result.fault());
  }
  Note(task, kind, va, token);
  return absl::OkStatus();
}

absl::Status Scheduler::FinishAccess(Task& task, Vcpu& vcpu, AccessKind kind,
                                     VirtAddr va, uint64_t value,
                                     const PageFault& first) {
  uint64_t token = 0;
  std::optional<PageFault> fault =
      vcpu.FinishUserAccess(first, kind, va, value, &token);
  for (int i = 0; fault.has_value(); ++i) {
    if (i == kMaxFaults) return FaultsForEver(va);
    const absl::StatusOr<FaultResult> result =
        Fault(task, vcpu, *fault, ModeSwitch::kFaultReturn);
    if (!result.ok()) return result.status();
    if (*result == FaultResult::kRefused) {
      // A signal: the program goes on without the access.
      vcpu.cpu().counters.Add(Counter::kSignals);
      NoteRefused(task, kind, va);
      return core_.failure;
    }
    if (!core_.failure.ok()) return core_.failure;
    fault = vcpu.UserAccess(kind, va, value, &token);
  }
  Note(task, kind, va, token);
  return core_.failure;
}

void Scheduler::Note(Task& task, AccessKind kind, VirtAddr va, uint64_t token) {
  const bool read = kind != AccessKind::kWrite;
  Sightings* const sightings = task.digest.sightings();
  if (ABSL_PREDICT_TRUE(sightings == nullptr)) {
    if (read && !IsShared(*task.mm, va)) task.digest.Loaded(token);
  } else if (!read) {
    sightings->Store(*task.mm, va, writers_);
  } else if (sightings->Load(*task.mm, va, token)) {
    task.digest.Loaded(token);
  }
}

}  // namespace xmmu
