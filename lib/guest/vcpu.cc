#include "xmmu/guest/vcpu.h"

#include "absl/base/attributes.h"
#include "absl/strings/str_format.h"
#include "xen/layout.h"
#include "xmmu/base/span_log.h"

namespace xmmu {
namespace {

// A policy that keeps "fixing" an access without it ever going through is
// broken. Every built-in policy needs at most one retry for each table level.
constexpr int kMaxRetries = 16;

constexpr int kHalfBytes = 4;

// The manuals' words for what stops an access.
const char* SpanName(const PageFault& fault, Vendor vendor) {
  switch (fault.vector) {
    case FaultVector::kPageFault:
      return "#PF";
    case FaultVector::kNestedViolation:
      return vendor == Vendor::kAmd ? "#NPF" : "EPT violation";
    case FaultVector::kGeneralProtection:
      return "#GP";
    case FaultVector::kInvalidOpcode:
      return "#UD";
    case FaultVector::kFailedEntry:
      return "VM-entry failure";
  }
  return "fault";
}

const char* SpanName(ModeSwitch how) {
  switch (how) {
    case ModeSwitch::kSyscall:
      return "system call";
    case ModeSwitch::kSysret:
      return "return from system call";
    case ModeSwitch::kInterrupt:
      return "interrupt";
    case ModeSwitch::kFaultReturn:
    case ModeSwitch::kFaultReturnToKernel:
      break;
  }
  return "IRET";
}

}  // namespace

Vcpu::Vcpu(Host& host, Policy& policy, VcpuContext& context,
           const GuestAbi& abi, absl::Status* failure)
    : failure_(failure == nullptr ? &own_failure_ : failure),
      host_(host),
      policy_(policy),
      context_(context),
      kernel_in_ring3_(abi.kernel_in_ring3(context.domain->mode())),
      limit_(~uint64_t{0}) {
  const bool segment_limited =
      abi.paravirtual && LevelCount(context.domain->mode()) < 4;
  if (segment_limited) limit_ = HypervisorStart(context.domain->mode());
}

Vcpu::Outcome Vcpu::Resolve(const Access& access, MemoryOperand& operand) {
  const TranslateResult result = Translate(access);
  if (ABSL_PREDICT_TRUE(result.ok())) return {result.addr(), {}};
  return ResolveFault(result.fault(), access, operand);
}

// An instruction is executed again after the hypervisor has fixed its fault, so
// it may fault again, perhaps for another reason.
Vcpu::Outcome Vcpu::ResolveFault(PageFault fault, const Access& access,
                                 MemoryOperand& operand) {
  Counters& counters = context_.cpu->counters;
  for (int i = 0; i < kMaxRetries; ++i) {
    // A violation of nested tables is a VM exit and counted as that.
    const bool exits = fault.is_violation();
    Span span(context_.cpu->clock, Actor::kProcessor,
              SpanName(fault, host_.model().features.vendor));
    span.Hex("va", access.va.value()).Hex("error", fault.error_code);
    if (!exits) counters.Add(Counter::kHardwareFaults);
    const FaultOutcome outcome =
        policy_.HandlePageFault(context_, fault, access, operand);
    if (outcome.action == FaultAction::kReflect) {
      counters.Add(Counter::kGuestFaults);
      return {{}, outcome.guest_fault};
    }
    if (!exits) counters.Add(Counter::kFixedFaults);
    if (outcome.action == FaultAction::kEmulated) return {};
    const TranslateResult again = context_.cpu->mmu.Translate(access);
    if (again.ok()) return {again.addr(), {}};
    fault = again.fault();
  }
  Fail(access, "a policy retries for ever");
  return {};
}

ABSL_ATTRIBUTE_NOINLINE void Vcpu::Fail(const Access& access,
                                        std::string_view what) {
  if (!failure_->ok()) return;
  *failure_ = absl::FailedPreconditionError(absl::StrFormat(
      "%s: %s the access at 0x%x; want HandlePageFault() to remove the cause "
      "within %d faults, to reflect or to emulate",
      policy_.name(), what, access.va.value(), kMaxRetries));
}

std::optional<PageFault> Vcpu::FinishUserAccess(const PageFault& fault,
                                                AccessKind kind, VirtAddr va,
                                                uint64_t value,
                                                uint64_t* token) {
  const bool store = kind == AccessKind::kWrite;
  MemoryOperand operand{
      .kind = store ? OperandKind::kStore : OperandKind::kLoad, .value = value};
  const Outcome outcome =
      ResolveFault(fault, {va, kind, /*user=*/true}, operand);
  if (!outcome.addr.has_value()) return outcome.fault;
  PerformUserAccess(kind, *outcome.addr, va, value, token);
  return std::nullopt;
}

// An emulator that takes REP MOVS for a store to a page table would see one
// store after the other. Here, as for CopyPage(), it is an instruction that the
// emulator does not know.
std::optional<PageFault> Vcpu::UserCopy(AccessKind kind, VirtAddr va,
                                        uint64_t bytes, uint64_t value,
                                        uint64_t* token) {
  Cpu& cpu = *context_.cpu;
  MemoryOperand none;
  const Access access{va, kind, kernel_in_ring3_};
  const Outcome outcome = Resolve(access, none);
  if (outcome.fault.has_value()) return outcome.fault;
  if (!outcome.addr.has_value()) {
    Fail(access, "a policy emulates a whole copy by");
    return std::nullopt;
  }
  const uint64_t first = va.value() >> kLineShift;
  const uint64_t lines = ((va.value() + bytes - 1) >> kLineShift) - first + 1;
  cpu.clock.Charge(CostEvent::kGuestAccess, lines);
  if (cpu.data_through_caches) {
    for (uint64_t i = 0; i < lines; ++i) {
      const uint64_t offset = i << kLineShift;
      cpu.TouchData(*outcome.addr + offset, va + offset);
    }
  }
  Transfer(kind, *outcome.addr, value, token);
  return std::nullopt;
}

std::optional<PageFault> Vcpu::Execute(VirtAddr va, bool user,
                                       MemoryOperand& operand) {
  const Access access{va,
                      operand.writes() ? AccessKind::kWrite : AccessKind::kRead,
                      user || kernel_in_ring3_};
  const Outcome outcome = Resolve(access, operand);
  if (!outcome.addr.has_value()) return outcome.fault;
  Cpu& cpu = *context_.cpu;
  if (cpu.data_through_caches) cpu.TouchData(*outcome.addr, va);
  operand.Perform(host_.memory(), *outcome.addr);
  return std::nullopt;
}

ABSL_ATTRIBUTE_NOINLINE std::optional<MachineAddr> Vcpu::ResolveKernelFault(
    const PageFault& fault, const Access& access, MemoryOperand& operand) {
  Outcome outcome = ResolveFault(fault, access, operand);
  if (ABSL_PREDICT_FALSE(outcome.fault.has_value())) {
    // The handler finds nothing to do; the fault has dropped the stale entry.
    const Span span(context_.cpu->clock, Actor::kGuestKernel,
                    "spurious_kernel_fault");
    context_.cpu->clock.Charge(CostEvent::kGuestFaultPath);
    policy_.SwitchMode(context_, ModeSwitch::kFaultReturnToKernel);
    outcome = Resolve(access, operand);
    if (outcome.fault.has_value()) {
      Fail(access, "a policy reflects to the kernel, twice,");
    }
  }
  return outcome.addr;
}

void Vcpu::KernelExecute(VirtAddr va, MemoryOperand& operand) {
  const Access access{va,
                      operand.writes() ? AccessKind::kWrite : AccessKind::kRead,
                      kernel_in_ring3_};
  const TranslateResult result = Translate(access);
  const std::optional<MachineAddr> addr =
      ABSL_PREDICT_TRUE(result.ok())
          ? result.addr()
          : ResolveKernelFault(result.fault(), access, operand);
  // The policy has charged for what it emulated.
  if (!addr.has_value()) return;  // emulated
  const bool locked =
      operand.kind != OperandKind::kLoad && operand.kind != OperandKind::kStore;
  ChargeKernelAccess(
      locked ? CostEvent::kGuestLockedOp : CostEvent::kGuestAccess, va, *addr);
  operand.Perform(host_.memory(), *addr);
}

void Vcpu::KernelExecute(std::span<Instruction> code) {
  for (size_t i = 0; i < code.size(); ++i) {
    // An emulator may have performed instructions ahead; those are marked as
    // done.
    if (code[i].done) continue;
    context_.following = code.subspan(i + 1);
    KernelExecute(code[i].va, code[i].operand);
  }
  context_.following = {};
}

// Most kernel accesses go through at once, and these take the short way, which
// calls nobody.
[[gnu::flatten]] uint64_t Vcpu::Load(VirtAddr va, int bytes) {
  const Access access{va, AccessKind::kRead, kernel_in_ring3_};
  const TranslateResult result = Translate(access);
  if (ABSL_PREDICT_FALSE(!result.ok())) {
    return FinishLoad(result.fault(), access, bytes);
  }
  ChargeKernelAccess(CostEvent::kGuestAccess, va, result.addr());
  return host_.memory().ReadEntry(result.addr(), bytes);
}

ABSL_ATTRIBUTE_NOINLINE uint64_t Vcpu::FinishLoad(const PageFault& fault,
                                                  const Access& access,
                                                  int bytes) {
  MemoryOperand operand{.kind = OperandKind::kLoad,
                        .size = static_cast<uint8_t>(bytes)};
  const auto addr = ResolveKernelFault(fault, access, operand);
  if (addr.has_value()) {
    ChargeKernelAccess(CostEvent::kGuestAccess, access.va, *addr);
    operand.Perform(host_.memory(), *addr);
  }
  return operand.seen;
}

[[gnu::flatten]] void Vcpu::Store(VirtAddr va, int bytes, uint64_t value) {
  const Access access{va, AccessKind::kWrite, kernel_in_ring3_};
  const TranslateResult result = Translate(access);
  if (ABSL_PREDICT_FALSE(!result.ok())) {
    return FinishStore(result.fault(), access,
                       {.kind = OperandKind::kStore,
                        .size = static_cast<uint8_t>(bytes),
                        .value = value});
  }
  ChargeKernelAccess(CostEvent::kGuestAccess, va, result.addr());
  host_.memory().WriteEntry(result.addr(), bytes, value);
}

ABSL_ATTRIBUTE_NOINLINE void Vcpu::FinishStore(const PageFault& fault,
                                               const Access& access,
                                               MemoryOperand operand) {
  const auto addr = ResolveKernelFault(fault, access, operand);
  if (!addr.has_value()) return;  // emulated
  ChargeKernelAccess(CostEvent::kGuestAccess, access.va, *addr);
  host_.memory().WriteEntry(*addr, operand.size, operand.value);
}

// An emulator of the first store may go on to the second one, and so it sees
// both as code.
[[gnu::flatten]] void Vcpu::StoreByHalves(VirtAddr va, uint64_t value) {
  const Access upper{va + kHalfBytes, AccessKind::kWrite, kernel_in_ring3_};
  const TranslateResult result = Translate(upper);
  bool both = false;
  if (ABSL_PREDICT_TRUE(result.ok())) {
    ChargeKernelAccess(CostEvent::kGuestAccess, upper.va, result.addr());
    host_.memory().WriteEntry(result.addr(), kHalfBytes, value >> 32);
  } else {
    both = FinishUpperHalf(result.fault(), upper, value);
  }
  if (!both) Store(va, kHalfBytes, value & 0xffffffff);
}

ABSL_ATTRIBUTE_NOINLINE bool Vcpu::FinishUpperHalf(const PageFault& fault,
                                                   const Access& upper,
                                                   uint64_t value) {
  Instruction lower{.va = VirtAddr(upper.va.value() - kHalfBytes),
                    .operand = {.kind = OperandKind::kStore,
                                .size = kHalfBytes,
                                .value = value & 0xffffffff}};
  context_.following = {&lower, 1};
  FinishStore(
      fault, upper,
      {.kind = OperandKind::kStore, .size = kHalfBytes, .value = value >> 32});
  context_.following = {};
  return lower.done;
}

uint64_t Vcpu::Exchange(VirtAddr va, int bytes, uint64_t value) {
  MemoryOperand operand{.kind = OperandKind::kXchg,
                        .size = static_cast<uint8_t>(bytes),
                        .value = value};
  KernelExecute(va, operand);
  return operand.seen;
}

[[gnu::flatten]] std::optional<MachineAddr> Vcpu::KernelAddress(
    VirtAddr va, AccessKind kind) {
  MemoryOperand none;
  const Access access{va, kind, kernel_in_ring3_};
  const TranslateResult result = Translate(access);
  if (ABSL_PREDICT_TRUE(result.ok())) return result.addr();
  const auto addr = ResolveKernelFault(result.fault(), access, none);
  if (!addr.has_value()) Fail(access, "a policy emulates a whole page by");
  return addr;
}

void Vcpu::ZeroPage(VirtAddr va) {
  const auto page = KernelAddress(va, AccessKind::kWrite);
  if (!page.has_value()) return;
  host_.memory().ZeroFrame(FrameOf(*page));
  context_.cpu->clock.Charge(CostEvent::kZeroPage);
}

void Vcpu::CopyPage(VirtAddr to, VirtAddr from) {
  const auto source = KernelAddress(from, AccessKind::kRead);
  const auto target = KernelAddress(to, AccessKind::kWrite);
  if (!source.has_value() || !target.has_value()) return;
  host_.memory().CopyFrame(FrameOf(*target), FrameOf(*source));
  context_.cpu->clock.Charge(CostEvent::kCopyPage);
}

void Vcpu::SwitchMode(ModeSwitch how) {
  if (how == ModeSwitch::kSyscall) {
    context_.cpu->counters.Add(Counter::kSyscalls);
  }
  const Span span(context_.cpu->clock, Actor::kProcessor, SpanName(how));
  policy_.SwitchMode(context_, how);
}

}  // namespace xmmu
