#ifndef XMMU_GUEST_VCPU_H_
#define XMMU_GUEST_VCPU_H_

// A virtual CPU as the guest's software sees it. It is the only door from the
// guest down to the machine. Every access, hypercall and privileged instruction
// of the guest goes through it; it holds the one loop that executes an access
// again after the hypervisor has removed the cause of a fault.
//
// Charges: what the MMU and the policy charge; kAccess for each access of the
// guest program, kGuestAccess or kGuestLockedOp for each of the kernel's.
// Single-threaded.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "xmmu/mmu/memory_operand.h"
#include "xmmu/policy/policy.h"
#include "xmmu/xen/domain.h"
#include "xmmu/xen/host.h"

namespace xmmu {

class Vcpu {
 public:
  // All arguments outlive the Vcpu. It reports in `failure`, or without one in
  // failure(), that an access can never go through because of how the policy
  // answers its faults; the access has then not been made.
  Vcpu(Host& host, Policy& policy, VcpuContext& context, const GuestAbi& abi,
       absl::Status* failure = nullptr);
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;

  const absl::Status& failure() const { return *failure_; }

  uint32_t id() const { return context_.id; }
  Cpu& cpu() { return *context_.cpu; }
  VcpuContext& context() { return context_; }
  Domain& domain() { return *context_.domain; }
  Cycles now() const { return context_.cpu->clock.now(); }

  // Takes the CPU from the vCPU of any domain that runs there (Xen:
  // context_switch). Charges what the policy does first (Policy::Deschedule)
  // and the CR3 load; nothing if it runs already.
  void Resume() {
    Cpu& cpu = *context_.cpu;
    if (cpu.current == &context_) return;
    if (cpu.current != nullptr) policy_.Deschedule(*cpu.current);
    host_.SwitchVcpu(cpu, context_);
  }

  // The guest program accesses `va` in user mode; the access lies in one page.
  // A store folds `value` into the frame's content token; a load returns the
  // token in `*token`. Returns nothing if the access was performed, or the
  // fault that the guest kernel's handler has to deal with; the vCPU is then in
  // kernel mode.
  std::optional<PageFault> UserAccess(AccessKind kind, VirtAddr va,
                                      uint64_t value, uint64_t* token) {
    const TranslateResult result = TryUserAccess(kind, va, value, token);
    if (ABSL_PREDICT_TRUE(result.ok())) return std::nullopt;
    return FinishUserAccess(result.fault(), kind, va, value, token);
  }
  // The two halves of UserAccess(). The first translates and, if that goes
  // well, performs the access; nobody has seen the fault that it may return.
  // That one is the second half's, which lets the policy answer it.
  TranslateResult TryUserAccess(AccessKind kind, VirtAddr va, uint64_t value,
                                uint64_t* token) {
    const TranslateResult result = Translate({va, kind, /*user=*/true});
    if (ABSL_PREDICT_TRUE(result.ok())) {
      PerformUserAccess(kind, result.addr(), va, value, token);
    }
    return result;
  }
  std::optional<PageFault> FinishUserAccess(const PageFault& fault,
                                            AccessKind kind, VirtAddr va,
                                            uint64_t value, uint64_t* token);

  // The kernel copies `bytes` bytes, at least one, to the program's memory at
  // `va` (`kind` kWrite: copy_to_user) or from there (kRead: copy_from_user).
  // They lie in one page of the program's half. It is a supervisor's access,
  // and a user's where the kernel runs in ring 3, translated once; each cache
  // line that the bytes lie in charges kGuestAccess (assumed: as REP MOVS
  // without a start-up cost, and with the kernel's buffer at hand). `value` and
  // `token` are as for UserAccess(), and so is what is returned; in the fault's
  // error code the guest finds U clear.
  std::optional<PageFault> UserCopy(AccessKind kind, VirtAddr va,
                                    uint64_t bytes, uint64_t value,
                                    uint64_t* token);

  // Executes one instruction with a memory operand of the guest kernel (or of
  // user code with `user`), exact to the bit. Returns a fault as UserAccess()
  // does.
  std::optional<PageFault> Execute(VirtAddr va, bool user,
                                   MemoryOperand& operand);

  // The kernel's own loads and stores of 4 or 8 bytes at addresses that it has
  // mapped. A fault can only be spurious, from a TLB entry older than an
  // upgrade of the mapping; the kernel's handler finds nothing to do and
  // returns (Linux: spurious_kernel_fault), which charges kGuestFaultPath. A
  // second one is a failure().
  void KernelExecute(VirtAddr va, MemoryOperand& operand);
  // Executes several, one right after the other: an emulator may go on from one
  // to the next.
  void KernelExecute(std::span<Instruction> code);
  uint64_t Load(VirtAddr va, int bytes);
  void Store(VirtAddr va, int bytes, uint64_t value);
  // Stores an entry of 8 bytes as 32-bit code does: the upper half first, since
  // the lower one has P. As KernelExecute() of both stores.
  void StoreByHalves(VirtAddr va, uint64_t value);
  // XCHG: returns what was there.
  uint64_t Exchange(VirtAddr va, int bytes, uint64_t value);

  // The kernel zeroes the page at `va`, or copies one. Each page takes one
  // access for the translation; then kZeroPage or kCopyPage is charged. A page
  // that is not mapped is a failure().
  void ZeroPage(VirtAddr va);
  void CopyPage(VirtAddr to, VirtAddr from);

  // See Policy.
  HypercallResult Hypercall(const xmmu::Hypercall& call) {
    return policy_.Hypercall(context_, call);
  }
  absl::Status LoadCr3(Gfn root) { return policy_.LoadCr3(context_, root); }
  void FlushTlb(CpuMask vcpus, const TlbFlush& flush) {
    policy_.FlushTlb(context_, vcpus, flush);
  }
  void SwitchMode(ModeSwitch how);

 private:
  // The outcome of an access: it went through, was emulated, or is left to the
  // guest.
  struct Outcome {
    std::optional<MachineAddr> addr;  // set: translated
    std::optional<PageFault> fault;   // set: reflected; neither: emulated
  };
  // Translates once. Xen cuts the segments of 32-bit guests off below itself,
  // so an access beyond is a #GP, whatever the tables say.
  TranslateResult Translate(const Access& access) {
    if (ABSL_PREDICT_FALSE(access.va >= limit_)) {
      return TranslateResult(
          PageFault{access.va, 0, FaultVector::kGeneralProtection});
    }
    return context_.cpu->mmu.Translate(access);
  }
  // Translates, and lets the policy answer faults, until there is an outcome.
  Outcome Resolve(const Access& access, MemoryOperand& operand);
  Outcome ResolveFault(PageFault fault, const Access& access,
                       MemoryOperand& operand);
  // As ResolveFault(), for an access of the kernel's own.
  std::optional<MachineAddr> ResolveKernelFault(const PageFault& fault,
                                                const Access& access,
                                                MemoryOperand& operand);
  // Charges for an access of the kernel's at `va` that went through to `addr`.
  void ChargeKernelAccess(CostEvent event, VirtAddr va, MachineAddr addr) {
    Cpu& cpu = *context_.cpu;
    cpu.clock.Charge(event);
    if (cpu.data_through_caches) cpu.TouchData(addr, va);
  }
  // Go on with a Load(), a Store() and the first store of StoreByHalves() that
  // have faulted. The last one returns whether an emulator has done both
  // stores.
  uint64_t FinishLoad(const PageFault& fault, const Access& access, int bytes);
  void FinishStore(const PageFault& fault, const Access& access,
                   MemoryOperand operand);
  bool FinishUpperHalf(const PageFault& fault, const Access& upper,
                       uint64_t value);

  // Performs an access of the program's or of the kernel for it. Programs' data
  // is kept as one token a frame: a recorded trace says where a program stores,
  // not what.
  void Transfer(AccessKind kind, MachineAddr addr, uint64_t value,
                uint64_t* token) {
    if (kind == AccessKind::kWrite) {
      host_.memory().FoldStore(addr, value);
    } else {
      *token = host_.memory().ContentToken(FrameOf(addr));
    }
  }
  // Charges a translated access of the program, and performs it.
  void PerformUserAccess(AccessKind kind, MachineAddr addr, VirtAddr va,
                         uint64_t value, uint64_t* token) {
    Cpu& cpu = *context_.cpu;
    cpu.clock.Charge(CostEvent::kAccess);
    cpu.counters.Add(Counter::kAccesses);
    if (cpu.data_through_caches) cpu.TouchData(addr, va);
    Transfer(kind, addr, value, token);
  }

  // Returns where a whole page of the kernel's is, which nobody may emulate.
  std::optional<MachineAddr> KernelAddress(VirtAddr va, AccessKind kind);
  // Notes a failure; only the first one counts.
  void Fail(const Access& access, std::string_view what);

  absl::Status own_failure_;
  absl::Status* failure_;
  Host& host_;
  Policy& policy_;
  VcpuContext& context_;
  // Whether kernel accesses are judged as user accesses (64-bit paravirtual).
  bool kernel_in_ring3_;
  // The first address beyond the segment limit (32-bit paravirtual).
  VirtAddr limit_;
};

}  // namespace xmmu

#endif  // XMMU_GUEST_VCPU_H_
