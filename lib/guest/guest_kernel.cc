#include "xmmu/guest/guest_kernel.h"

#include <limits>

#include "guest/boot.h"
#include "guest/scheduler.h"

namespace xmmu {

// GuestKernel forwards to these parts, whose headers its users do not need. The
// scheduler refers to the core and is destroyed before it.
class GuestKernel::Impl {
 public:
  explicit Impl(std::unique_ptr<KernelCore> core_in)
      : core(std::move(core_in)), scheduler(*core) {}

  std::unique_ptr<KernelCore> core;
  Scheduler scheduler;
};

GuestKernel::GuestKernel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GuestKernel::~GuestKernel() = default;

absl::Status GuestKernel::CheckMemory(PagingMode mode, uint64_t frames) {
  return CheckMemoryOf(mode, frames);
}

absl::StatusOr<std::unique_ptr<GuestKernel>> GuestKernel::Boot(
    Host& host, Policy& policy, Domain& domain, const GuestOptions& options) {
  absl::StatusOr<std::unique_ptr<KernelCore>> core =
      BootKernel(host, policy, domain, options);
  if (!core.ok()) return core.status();
  return std::unique_ptr<GuestKernel>(
      new GuestKernel(std::make_unique<Impl>(*std::move(core))));
}

absl::Status GuestKernel::Run(Workload& workload) {
  const absl::Status status = Begin(workload);
  if (!status.ok()) return status;
  return RunFor(workload, std::numeric_limits<uint64_t>::max()).status();
}

absl::Status GuestKernel::Begin(Workload& workload) {
  return impl_->scheduler.CreateFirst(workload.first_task());
}

absl::StatusOr<uint64_t> GuestKernel::RunFor(Workload& workload,
                                             uint64_t operations) {
  return impl_->scheduler.RunFor(workload, operations);
}

void GuestKernel::KeepTaskAccounts() { impl_->scheduler.KeepTaskAccounts(); }

std::vector<TaskAccount> GuestKernel::TakeTaskAccounts() {
  return impl_->scheduler.TakeTaskAccounts();
}

bool GuestKernel::has_tasks() const { return impl_->scheduler.has_tasks(); }

absl::Status GuestKernel::CreateProcess(TaskId task) {
  return impl_->scheduler.CreateFirst(task);
}

absl::Status GuestKernel::Perform(TaskId task, const GuestOp& op) {
  return impl_->scheduler.Perform(task, op);
}

absl::StatusOr<VirtAddr> GuestKernel::MapKernelPages(TaskId task,
                                                     uint64_t pages) {
  return impl_->scheduler.MapKernelPages(task, pages);
}

absl::StatusOr<uint64_t> GuestKernel::KernelExchange(TaskId task, VirtAddr va,
                                                     uint64_t value) {
  return impl_->scheduler.KernelExchange(task, va, value);
}

uint64_t GuestKernel::digest() const { return impl_->scheduler.digest(); }
int GuestKernel::idle_vcpus() const { return impl_->scheduler.idle_vcpus(); }
NotCompared GuestKernel::not_compared() const {
  return impl_->scheduler.not_compared();
}
const GuestOptions& GuestKernel::options() const {
  return impl_->core->options;
}
const GuestAbi& GuestKernel::abi() const { return impl_->core->abi; }
Vcpu& GuestKernel::vcpu(uint32_t id) { return *impl_->core->vcpus[id]; }

std::optional<GuestKernel::Roots> GuestKernel::RootsOf(TaskId task) const {
  const AddressSpace* const mm = impl_->scheduler.FindSpace(task);
  if (mm == nullptr) return std::nullopt;
  return Roots{mm->root, mm->user_root};
}

std::optional<uint8_t> GuestKernel::RightsAt(TaskId task, VirtAddr va) const {
  const AddressSpace* const mm = impl_->scheduler.FindSpace(task);
  const Vma* const vma = mm == nullptr ? nullptr : mm->vmas.Find(va);
  if (vma == nullptr) return std::nullopt;
  return vma->rights;
}

uint64_t GuestKernel::free_frames() const {
  return impl_->core->frames.free_frames();
}

uint64_t GuestKernel::host_bytes() const {
  return impl_->core->frames.host_bytes();
}

std::optional<ResidentMemory> GuestKernel::ResidentOf(TaskId task) const {
  return impl_->scheduler.ResidentOf(task);
}

std::optional<uint64_t> GuestKernel::MinorFaultsOf(TaskId task) const {
  const AddressSpace* const mm = impl_->scheduler.FindSpace(task);
  if (mm == nullptr) return std::nullopt;
  return mm->minor_faults;
}

uint64_t GuestKernel::page_table_frames() const {
  return impl_->core->page_table_frames;
}
uint64_t GuestKernel::peak_page_table_frames() const {
  return impl_->core->peak_page_table_frames;
}
uint64_t GuestKernel::boot_page_table_frames() const {
  return impl_->core->boot_table_frames;
}
uint64_t GuestKernel::peak_address_spaces() const {
  return impl_->core->peak_address_spaces;
}

}  // namespace xmmu
