#ifndef XMMU_XEN_DOMAIN_H_
#define XMMU_XEN_DOMAIN_H_

// A guest as the hypervisor knows it: Xen's struct domain and struct vcpu, as
// far as memory goes. The guest's own state is in the guest layer.
//
// Created by Host::CreateDomain. Charges nothing. Single-threaded.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/optimization.h"
#include "absl/container/flat_hash_map.h"
#include "xmmu/base/address.h"
#include "xmmu/base/internal/sparse_array.h"
#include "xmmu/machine/control_registers.h"
#include "xmmu/machine/paging_mode.h"
#include "xmmu/mmu/memory_operand.h"
#include "xmmu/mmu/pending_invalidation.h"
#include "xmmu/mmu/vm_controls.h"
#include "xmmu/xen/dirty_log.h"
#include "xmmu/xen/internal/page_info.h"

namespace xmmu {

class DirectPagingState;
class Domain;
struct Cpu;

// Xen: struct vcpu. A vCPU runs on one CPU at a time.
struct VcpuContext {
  Domain* domain = nullptr;
  uint32_t id = 0;
  Cpu* cpu = nullptr;  // where it runs

  // Root tables the guest has installed. Direct paging holds a reference on
  // each; for a translated guest these are the frames behind its CR3.
  Mfn guest_table = kInvalidMfn;       // kernel mode, or both
  Mfn guest_table_user = kInvalidMfn;  // 64-bit paravirtual guest, user mode
  bool kernel_mode = true;             // the guest's own mode

  // What MOV CR3 was last executed with (Xen: arch.cr3).
  uint64_t cr3 = 0;
  // The control registers to load when the vCPU is next run; CR3 is above.
  // Nothing if they are those that its CPU has anyhow.
  std::optional<ControlRegisters> registers;
  // How the processor runs the vCPU as a virtual machine; by default it does
  // not.
  VmControls vm;
  // The PDPTE registers of the vCPU while it does not run (on Intel those in
  // its VMCS).
  std::array<uint64_t, 4> pdptes{};

  // The instructions that an emulator finds behind the one that it is at, as
  // far as they are known to access memory; see Instruction::done.
  std::span<Instruction> following;
};

// The pseudo-physical to machine map of one domain and its inverse. A pfn that
// comes to lead elsewhere, or nowhere, is marked in the domain's dirty log.
//
// Memory that is populated in one piece takes one record, whatever its length;
// what has changed since takes host memory page by page.
class P2m {
 public:
  explicit P2m(DirtyLog* log = nullptr) : log_(log) {}

  // The frame at `pfn`; kInvalidMfn where nothing is populated.
  Mfn MfnOf(Pfn pfn) const {
    if (ABSL_PREDICT_TRUE(!changed_ && pfn.value() < main_.frames)) {
      return main_.first_mfn + pfn.value();
    }
    return FindMfn(pfn);
  }
  // Where `mfn` is; kInvalidPfn for a frame that is not the domain's.
  Pfn PfnOf(Mfn mfn) const {
    const uint64_t offset = mfn.value() - main_.first_mfn.value();
    if (ABSL_PREDICT_TRUE(!changed_ && offset < main_.frames)) {
      return Pfn(offset);
    }
    return FindPfn(mfn);
  }
  // How many pfns from `pfn` on, at most `count`, lead to frames that follow
  // each other; at least 1. REQUIRES: `count` > 0.
  uint64_t RunFrom(Pfn pfn, uint64_t count) const;
  // How many pfns are populated.
  uint64_t populated() const { return populated_; }

  // Puts `mfn` at `pfn`, in place of what was there, and unmaps `pfn`.
  void Set(Pfn pfn, Mfn mfn);
  // Puts `count` frames from `mfn` on at the pfns from 0 on. REQUIRES: nothing
  // was ever populated.
  void SetAll(Mfn mfn, uint64_t count);
  void Clear(Pfn pfn);
  // One past the highest pfn ever populated.
  uint64_t size() const { return size_; }

  // Host bytes in use.
  uint64_t host_bytes() const;

 private:
  // The pfns from 0 on that were populated at once.
  struct Extent {
    Mfn first_mfn;
    uint64_t frames = 0;
  };
  // A word of changes_ for a pfn that leads nowhere; 0 is for one that leads
  // where the extent says, and another word the frame's number, plus 1.
  static constexpr uint64_t kNowhere = ~uint64_t{0};

  // MfnOf() and PfnOf() in general.
  Mfn FindMfn(Pfn pfn) const;
  Pfn FindPfn(Mfn mfn) const;
  // Where the extent has `mfn`; kInvalidPfn if it has not.
  Pfn PfnByExtent(Mfn mfn) const {
    const uint64_t offset = mfn.value() - main_.first_mfn.value();
    return offset < main_.frames ? Pfn(offset) : kInvalidPfn;
  }

  DirtyLog* log_;
  Extent main_;
  bool changed_ = false;  // whether anything differs from the extent
  uint64_t size_ = 0;
  uint64_t populated_ = 0;
  SparseArray<uint64_t> changes_;        // by pfn
  absl::flat_hash_map<Mfn, Pfn> moved_;  // frames that are not in the extent
};

struct DomainOptions {
  PagingMode mode = PagingMode::k4Level;
  uint64_t memory_frames = 0;  // 4 KiB frames to populate from pfn 0 on
  int vcpus = 1;
  // The domain runs unmodified: its tables hold guest frame numbers (Xen:
  // paging_mode_translate).
  bool translated = false;
  // The domain has rights on I/O memory and ports.
  bool io_privileged = false;
};

class Domain {
 public:
  Domain(DomainId id, const DomainOptions& options);
  ~Domain();
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;

  DomainId id() const { return id_; }
  PagingMode mode() const { return options_.mode; }
  bool translated() const { return options_.translated; }
  bool io_privileged() const { return options_.io_privileged; }

  // Whether its mappings may have the global flag, so that a flush that spares
  // global entries spares some of them. Xen 3.0 refuses it (2-level guests, PAE
  // guests of a 32-bit Xen).
  bool may_use_global() const { return may_use_global_; }
  void ForbidGlobal() { may_use_global_ = false; }

  P2m& p2m() { return p2m_; }
  const P2m& p2m() const { return p2m_; }

  // The frame number that the guest's own tables use for `pfn`, and back.
  Gfn GfnOf(Pfn pfn) const {
    return Gfn(translated() ? pfn.value() : p2m_.MfnOf(pfn).value());
  }
  Pfn PfnOf(Gfn gfn) const {
    return translated() ? Pfn(gfn.value()) : p2m_.PfnOf(Mfn(gfn.value()));
  }
  // The machine frame behind a frame number found in the guest's tables;
  // kInvalidMfn if it is not the domain's.
  Mfn MfnOf(Gfn gfn) const { return p2m_.MfnOf(PfnOf(gfn)); }

  size_t vcpu_count() const { return vcpus_.size(); }
  VcpuContext& vcpu(uint32_t id) { return *vcpus_[id]; }
  const VcpuContext& vcpu(uint32_t id) const { return *vcpus_[id]; }

  // CPUs whose TLBs may hold this domain's translations (Xen: dirty_cpumask).
  CpuMask dirty_cpus() const { return dirty_cpus_; }
  void set_dirty_cpus(CpuMask cpus) { dirty_cpus_ = cpus; }

  // CPUs that run the vCPUs named.
  CpuMask CpusOf(CpuMask vcpus) const;

  // What direct paging keeps of the domain
  // (xmmu/xen/internal/direct_paging_state.h).
  DirectPagingState& direct() { return *direct_; }
  const DirectPagingState& direct() const { return *direct_; }

  // The log of the domain's pages written to, for live migration.
  DirtyLog& dirty_log() { return dirty_log_; }
  const DirtyLog& dirty_log() const { return dirty_log_; }

  // Xen has given the domain up, for the reason told (Xen: domain_crash). Its
  // memory and references stay as they are; it executes nothing any more.
  void Crash(std::string reason) {
    if (crash_reason_.empty()) crash_reason_ = std::move(reason);
  }
  bool crashed() const { return !crash_reason_.empty(); }
  const std::string& crash_reason() const { return crash_reason_; }

 private:
  DomainId id_;
  DomainOptions options_;
  DirtyLog dirty_log_;
  P2m p2m_;
  std::vector<std::unique_ptr<VcpuContext>> vcpus_;
  CpuMask dirty_cpus_ = 0;
  bool may_use_global_;
  std::unique_ptr<DirectPagingState> direct_;
  std::string crash_reason_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_DOMAIN_H_
