#include "guest/pvops_world.h"

#include "absl/strings/str_join.h"

namespace xmmu {

void PrintTo(const Issued& issued, std::ostream* out) {
  *out << "faults " << issued.faults << ", emulated " << issued.emulated
       << ", mmu_update " << issued.mmu_updates << " of " << issued.updates
       << ", update_va_mapping " << issued.mappings << " + "
       << issued.mapping_members << ", mmuext calls " << issued.mmuext_calls
       << ", multicalls [" << absl::StrJoin(issued.multicalls, " ")
       << "], pins " << issued.pins << ", unpins " << issued.unpins
       << ", bases " << issued.base_loads << ", flushes " << issued.page_flushes
       << " page " << issued.full_flushes << " full " << issued.multi_flushes
       << " multi " << issued.mapping_flushes << " mapping, opened "
       << issued.active << " + " << issued.inactive;
}

void RecordingPolicy::NoteOps(const MmuextCall& call) {
  for (const MmuextOp& op : call.ops) {
    switch (op.command) {
      case MmuextCommand::kUnpin:
        ++issued.unpins;
        break;
      case MmuextCommand::kNewBaseptr:
      case MmuextCommand::kNewUserBaseptr:
        ++issued.base_loads;
        break;
      case MmuextCommand::kTlbFlushLocal:
        ++issued.full_flushes;
        break;
      case MmuextCommand::kInvlpgLocal:
        ++issued.page_flushes;
        break;
      case MmuextCommand::kTlbFlushMulti:
      case MmuextCommand::kInvlpgMulti:
        ++issued.multi_flushes;
        break;
      default:
        EXPECT_LE(op.command, MmuextCommand::kPinL4);
        ++issued.pins;
    }
  }
}

void RecordingPolicy::NoteMembers(const MulticallCall& call) {
  issued.multicalls.push_back(call.calls.size());
  for (const Subcall& member : call.calls) {
    if (const auto* ops = std::get_if<MmuextCall>(&member)) {
      NoteOps(*ops);
    } else if (const auto* update = std::get_if<MmuUpdateCall>(&member)) {
      issued.updates += update->requests.size();
    } else {
      ++issued.mapping_members;
    }
  }
}

HypercallResult RecordingPolicy::Hypercall(VcpuContext& vcpu,
                                           const xmmu::Hypercall& call) {
  if (const auto* update = std::get_if<MmuUpdateCall>(&call)) {
    ++issued.mmu_updates;
    issued.updates += update->requests.size();
  } else if (const auto* map = std::get_if<UpdateVaMappingCall>(&call)) {
    ++issued.mappings;
    if (map->flush.scope != FlushScope::kNone) ++issued.mapping_flushes;
  } else if (const auto* mmuext = std::get_if<MmuextCall>(&call)) {
    ++issued.mmuext_calls;
    NoteOps(*mmuext);
  } else if (const auto* several = std::get_if<MulticallCall>(&call)) {
    NoteMembers(*several);
  }
  return inner_->Hypercall(vcpu, call);
}

RecordedWorld::RecordedWorld(const Setting& setting, uint64_t memory_mib)
    : host_(*FindMachine("skylake-2017"), {.cpus = setting.vcpus}),
      policy_(std::make_unique<RecordingPolicy>(host_, setting.policy)) {
  Domain* const domain = *host_.CreateDomain({.mode = setting.mode,
                                              .memory_frames = memory_mib << 8,
                                              .vcpus = setting.vcpus});
  GuestOptions options =
      DefaultGuestOptions(*policy_->Abi(setting.mode), setting.mode);
  options.ops = setting.ops;
  options.pin = setting.pin;
  auto kernel = GuestKernel::Boot(host_, *policy_, *domain, options);
  EXPECT_TRUE(kernel.ok()) << kernel.status();
  kernel_ = *std::move(kernel);
  EXPECT_TRUE(kernel_->CreateProcess(1).ok());
}

PvopsWorld::PvopsWorld(bool threads, uint64_t memory_mib)
    : RecordedWorld({.policy = "trap-and-emulate",
                     .mode = PagingMode::k4Level,
                     .ops = GuestOps::kPvops,
                     .vcpus = threads ? 2 : 1},
                    memory_mib) {
  struct Piece {
    uint64_t va;
    uint64_t pages;
  };
  uint64_t pages = 0;
  for (const Piece& piece :
       {Piece{0x4ba000, 9}, Piece{0x602000, 4}, Piece{0x10a67000, 2},
        Piece{kStackPages.value(), 3}}) {
    Do(MapOp(piece.pages, Backing::kAnonymous, kMapRead | kMapWrite,
             VirtAddr(piece.va)));
    Access(GuestOpKind::kStore, piece.pages, VirtAddr(piece.va));
    pages += piece.pages;
  }
  EXPECT_EQ(pages, kBasePages);
  if (threads) {
    Do(TaskOp(GuestOpKind::kVfork, 2));
    actor_ = 2;
    Do(AccessOp(GuestOpKind::kLoad, 0, kStackPages));
  }
}

void RecordedWorld::Do(TaskId task, const GuestOp& op) {
  const absl::Status status = kernel_->Perform(task, op);
  ASSERT_TRUE(status.ok()) << status;
}

uint64_t RecordedWorld::Counted(Counter counter) const {
  uint64_t sum = 0;
  for (uint32_t id = 0; id < host_.cpu_count(); ++id) {
    sum += host_.cpu(id).counters[counter];
  }
  return sum;
}

Issued RecordedWorld::Counts() const {
  Issued counts;
  counts.faults = Counted(Counter::kGuestFaults);
  counts.emulated = Counted(Counter::kPtwrEmulations);
  counts.active = Counted(Counter::kPtwrActive);
  counts.inactive = Counted(Counter::kPtwrInactive);
  return counts;
}

void RecordedWorld::Mark() {
  policy_->issued = {};
  fixed_ = Counted(Counter::kFixedFaults);
  before_ = Counts();
}

Issued RecordedWorld::Since() {
  const Issued now = Counts();
  Issued since = policy_->issued;
  since.faults = now.faults - before_.faults;
  since.emulated = now.emulated - before_.emulated;
  since.active = now.active - before_.active;
  since.inactive = now.inactive - before_.inactive;
  // Each opening and each emulation is a fault that the guest does not see, and
  // there are no others.
  EXPECT_EQ(Counted(Counter::kFixedFaults) - fixed_,
            since.emulated + since.active + since.inactive);
  EXPECT_TRUE(policy_->Audit().ok()) << policy_->Audit();
  return since;
}

}  // namespace xmmu
