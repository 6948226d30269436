#include "xmmu/xen/direct/direct_paging.h"

#include <type_traits>

#include "xen/direct/base_pointers.h"
#include "xen/direct/direct_write_logging.h"
#include "xen/direct/hypercalls.h"
#include "xen/direct/page_sharing.h"
#include "xen/direct/pte_emulator.h"
#include "xen/direct/writable_tables.h"
#include "xmmu/base/check.h"
#include "xmmu/base/span_log.h"

namespace xmmu {
namespace {

// The rules for the domain of `vcpu`. REQUIRES: StartVcpu() has found rules for
// it.
const PvRules& RulesOf(const Host& host, const VcpuContext& vcpu) {
  const PvRules* rules = FindPvRules(vcpu.domain->mode(), host.model().features,
                                     host.linear_map());
  XMMU_CHECK(rules != nullptr);
  return *rules;
}

// Executes a call of one kind.
HypercallResult Dispatch(PvRequest& request, const MmuUpdateCall& call) {
  return Hypercalls(request).MmuUpdates(call);
}

HypercallResult Dispatch(PvRequest& request, const MmuextCall& call) {
  return Hypercalls(request).MmuextOps(call);
}

HypercallResult Dispatch(PvRequest& request, const UpdateVaMappingCall& call) {
  absl::Status status = Hypercalls(request).UpdateVaMapping(call);
  const uint32_t done = status.ok() ? 1 : 0;
  return {std::move(status), done};
}

HypercallResult Dispatch(PvRequest& request, const VmAssistCall& call) {
  request.domain.direct().set_writable_pagetables(call.enable);
  return {absl::OkStatus(), 1};
}

HypercallResult Dispatch(PvRequest& request, const SetGdtCall& call) {
  absl::Status status =
      request.StatusOf(Hypercalls(request).SetGdt(call.frames));
  const uint32_t done = status.ok() ? 1 : 0;
  return {std::move(status), done};
}

HypercallResult Dispatch(PvRequest& request,
                         const DecreaseReservationCall& call) {
  return {absl::OkStatus(),
          Hypercalls(request).DecreaseReservation(call.frames)};
}

HypercallResult Dispatch(PvRequest& request, const PopulatePhysmapCall& call) {
  return {absl::OkStatus(), Hypercalls(request).PopulatePhysmap(call.pfns)};
}

HypercallResult Dispatch(PvRequest& request, const MakeRoAndShareCall& call) {
  return PageSharing(request).MakeRoAndShare(call);
}

// A crashed domain gets no answer; the status is for whoever runs the guest.
absl::Status CrashStatus(const Domain& domain) {
  return XenError(XenErrno::kEINVAL,
                  "the domain has crashed: " + domain.crash_reason());
}

// Whether a call begins with closing the tables that are open for writing (Xen
// 3.0: cleanup_writable_pagetable). set_gdt closes them only where that changes
// its answer, see PageTypes::GetPageType. Xen 3.0 did not for memory_op;
// assumed here, as frames change hands.
bool ClosesTables(const SetGdtCall&) { return false; }
bool ClosesTables(const VmAssistCall& call) { return !call.enable; }
template <typename Call>
bool ClosesTables(const Call&) {
  return true;
}

// Xen's functions for them.
constexpr const char* SpanName(const MmuUpdateCall&) { return "do_mmu_update"; }
constexpr const char* SpanName(const MmuextCall&) { return "do_mmuext_op"; }
constexpr const char* SpanName(const UpdateVaMappingCall&) {
  return "do_update_va_mapping";
}
constexpr const char* SpanName(const VmAssistCall&) { return "do_vm_assist"; }
constexpr const char* SpanName(const SetGdtCall&) { return "do_set_gdt"; }
constexpr const char* SpanName(const DecreaseReservationCall&) {
  return "decrease_reservation";
}
constexpr const char* SpanName(const PopulatePhysmapCall&) {
  return "populate_physmap";
}
constexpr const char* SpanName(const MakeRoAndShareCall&) {
  return "make_ro_and_share";
}

// Executes one call: the part of a hypercall that a multicall does not save.
template <typename Call>
HypercallResult ExecuteOne(Host& host, VcpuContext& vcpu, const PvRules& rules,
                           const Call& call) {
  if (vcpu.domain->crashed()) return {CrashStatus(*vcpu.domain), 0};
  Span span(vcpu.cpu->clock, Actor::kXen, SpanName(call));
  vcpu.cpu->clock.Charge(CostEvent::kHypercallWork);
  if (rules.big_lock) vcpu.cpu->clock.Charge(CostEvent::kLockedOp);
  PvRequest request(host, vcpu, rules);
  if (ClosesTables(call) && vcpu.domain->direct().ptwr_in_use()) {
    WritableTables(request).CloseTables();
  }
  if (vcpu.domain->crashed()) {
    request.Finish();
    return {CrashStatus(*vcpu.domain), 0};
  }
  HypercallResult result = Dispatch(request, call);
  request.Finish();
  if (vcpu.domain->crashed()) result.status = CrashStatus(*vcpu.domain);
  return result;
}

// Executes the calls of a multicall in order, also after one is refused.
HypercallResult ExecuteAll(Host& host, VcpuContext& vcpu, const PvRules& rules,
                           const MulticallCall& multicall) {
  vcpu.cpu->counters.Add(Counter::kMulticalls);
  Span span(vcpu.cpu->clock, Actor::kXen, "do_multicall");
  span.Arg("calls", multicall.calls.size());
  HypercallResult result;
  result.entries.reserve(multicall.calls.size());
  for (const Subcall& subcall : multicall.calls) {
    vcpu.cpu->clock.Charge(CostEvent::kMulticallEntry);
    result.entries.push_back(std::visit(
        [&](const auto& call) { return ExecuteOne(host, vcpu, rules, call); },
        subcall));
    const absl::Status& status = result.entries.back().status;
    if (status.ok()) {
      ++result.done;
    } else if (result.status.ok()) {
      result.status = status;
    }
  }
  return result;
}

}  // namespace

DirectPaging::DirectPaging(Host& host) : host_(host) {}

DirectPaging::~DirectPaging() = default;

absl::Status DirectPaging::StartVcpu(VcpuContext& vcpu, Mfn root,
                                     Mfn user_root) {
  const PvRules* rules = FindPvRules(
      vcpu.domain->mode(), host_.model().features, host_.linear_map());
  if (rules == nullptr) {
    return absl::UnimplementedError(
        "Xen runs no paravirtual guests of this paging mode on this machine");
  }
  if (rules->shared_kernel_l2 && vcpu.domain->vcpu_count() > 1) {
    return absl::UnimplementedError(
        "the linear map in a shared kernel L2 serves one vCPU");
  }
  if ((rules->disallowed[1] & pte::kGlobal) != 0) vcpu.domain->ForbidGlobal();
  PvRequest request(host_, vcpu, *rules);
  absl::Status status = BasePointers(request).Boot(root, user_root);
  request.Finish();
  if (!status.ok()) return status;
  Cpu& cpu = *vcpu.cpu;
  ControlRegisters registers =
      KernelControlRegisters(rules->hardware, host_.model().features);
  registers.cr3 = vcpu.cr3;
  vcpu.registers = registers;
  if (cpu.current == nullptr) cpu.current = &vcpu;
  if (cpu.current != &vcpu) return status;
  Domain& domain = *vcpu.domain;
  domain.set_dirty_cpus(domain.dirty_cpus() | MaskOf(cpu.id));
  XMMU_CHECK(!cpu.mmu.Reset(registers).has_value());
  return status;
}

HypercallResult DirectPaging::Execute(VcpuContext& vcpu,
                                      const Hypercall& call) {
  XMMU_CHECK(vcpu.kernel_mode);
  const PvRules& rules = RulesOf(host_, vcpu);
  Span span(vcpu.cpu->clock, Actor::kProcessor, "hypercall");
  vcpu.cpu->counters.Add(Counter::kHypercalls);
  vcpu.cpu->clock.Charge(rules.mode == PagingMode::k4Level
                             ? CostEvent::kHypercallSyscall
                             : CostEvent::kHypercallInt);
  return std::visit(
      [&](const auto& one) {
        if constexpr (std::is_same_v<std::decay_t<decltype(one)>,
                                     MulticallCall>) {
          return ExecuteAll(host_, vcpu, rules, one);
        } else {
          return ExecuteOne(host_, vcpu, rules, one);
        }
      },
      call);
}

bool DirectPaging::EmulatePteWrite(VcpuContext& vcpu, const PageFault& fault,
                                   const Access& access, MemoryOperand& operand,
                                   bool holds_lock) {
  const PvRules& rules = RulesOf(host_, vcpu);
  const bool takes_lock = rules.big_lock && !holds_lock;
  if (takes_lock) vcpu.cpu->clock.Charge(CostEvent::kLockedOp);
  PvRequest request(host_, vcpu, rules);
  const bool done =
      PteEmulator(request).EmulatePteWrite(fault, access, operand);
  request.Finish();
  return done;
}

bool DirectPaging::MeetsUnhooked(VcpuContext& vcpu, const Access& access) {
  const PvRules& rules = RulesOf(host_, vcpu);
  if (rules.big_lock) vcpu.cpu->clock.Charge(CostEvent::kLockedOp);
  PvRequest request(host_, vcpu, rules);
  const bool meets = WritableTables(request).MeetsUnhooked(access);
  request.Finish();
  return meets;
}

TableWrite DirectPaging::FindTableWrite(VcpuContext& vcpu,
                                        const PageFault& fault,
                                        const Access& access) {
  PvRequest request(host_, vcpu, RulesOf(host_, vcpu));
  const TableWrite write =
      WritableTables(request).FindTableWrite(fault, access);
  request.Finish();
  return write;
}

void DirectPaging::OpenTable(VcpuContext& vcpu, const TableWrite& write,
                             PtwrSlot slot, PtwrMethod method) {
  PvRequest request(host_, vcpu, RulesOf(host_, vcpu));
  WritableTables(request).OpenTable(write, slot, method);
  request.Finish();
}

void DirectPaging::CloseTable(VcpuContext& vcpu, PtwrSlot slot) {
  if (!vcpu.domain->direct().ptwr(slot).in_use()) return;
  PvRequest request(host_, vcpu, RulesOf(host_, vcpu));
  WritableTables(request).CloseTable(slot);
  request.Finish();
}

void DirectPaging::CloseTables(VcpuContext& vcpu) {
  CloseTable(vcpu, PtwrSlot::kActive);
  CloseInactiveTables(vcpu);
}

void DirectPaging::CloseInactiveTables(VcpuContext& vcpu) {
  if (!vcpu.domain->direct().ptwr_in_use()) return;
  PvRequest request(host_, vcpu, RulesOf(host_, vcpu));
  WritableTables(request).CloseInactiveTables();
  request.Finish();
}

void DirectPaging::ToggleGuestMode(VcpuContext& vcpu, bool to_kernel) {
  if (vcpu.kernel_mode == to_kernel) return;
  const bool two_roots = vcpu.domain->mode() == PagingMode::k4Level;
  if (two_roots && !to_kernel && vcpu.guest_table_user == kInvalidMfn) return;
  vcpu.kernel_mode = to_kernel;
  if (!two_roots) return;
  const Span span(vcpu.cpu->clock, Actor::kXen, "toggle_guest_mode");
  const Mfn root = to_kernel ? vcpu.guest_table : vcpu.guest_table_user;
  DirectWriteLogging* const log = vcpu.domain->direct().write_logging();
  const Mfn loaded =
      log == nullptr ? root : log->LoadedFor(*vcpu.cpu, vcpu, root);
  vcpu.cr3 = AddressOf(loaded).value();
  if (vcpu.cpu->current != &vcpu) return;
  // The load does not tick the TLB clock, since global entries, the user
  // mappings, survive it.
  XMMU_CHECK(!vcpu.cpu->mmu.LoadCr3(vcpu.cr3).has_value());
}

WriteLogging& DirectPaging::WriteLoggingOf(Domain& domain) {
  std::unique_ptr<DirectWriteLogging>& log = logs_[domain.id()];
  if (log == nullptr) log = std::make_unique<DirectWriteLogging>(host_, domain);
  return *log;
}

PagingMode HardwareMode(PagingMode mode, const CpuFeatures& features,
                        LinearMap linear_map) {
  const PvRules* rules = FindPvRules(mode, features, linear_map);
  return rules == nullptr ? mode : rules->hardware;
}

}  // namespace xmmu
