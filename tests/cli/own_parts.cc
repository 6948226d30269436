// The whole program with a policy, a workload and a machine of one's own, as
// own_parts_test.sh calls it.

#include <memory>
#include <string>

#include "xmmu/cli/main.h"

namespace {

using xmmu::GuestOp;
using xmmu::GuestOpKind;

// Bare hardware by another name.
class Renamed final : public xmmu::Policy {
 public:
  explicit Renamed(xmmu::Host& host)
      : bare_(xmmu::FindPolicy("native")->make(host)) {}

  std::string_view name() const override { return "renamed"; }
  absl::StatusOr<xmmu::GuestAbi> Abi(xmmu::PagingMode mode) const override {
    return bare_->Abi(mode);
  }
  absl::Status StartVcpu(xmmu::VcpuContext& vcpu, xmmu::Gfn root,
                         xmmu::Gfn user_root) override {
    return bare_->StartVcpu(vcpu, root, user_root);
  }
  void SwitchMode(xmmu::VcpuContext& vcpu, xmmu::ModeSwitch how) override {
    bare_->SwitchMode(vcpu, how);
  }
  absl::Status LoadCr3(xmmu::VcpuContext& vcpu, xmmu::Gfn root) override {
    return bare_->LoadCr3(vcpu, root);
  }
  void FlushTlb(xmmu::VcpuContext& vcpu, xmmu::CpuMask vcpus,
                const xmmu::TlbFlush& flush) override {
    bare_->FlushTlb(vcpu, vcpus, flush);
  }
  xmmu::FaultOutcome HandlePageFault(xmmu::VcpuContext& vcpu,
                                     const xmmu::PageFault& fault,
                                     const xmmu::Access& access,
                                     xmmu::MemoryOperand& operand) override {
    return bare_->HandlePageFault(vcpu, fault, access, operand);
  }

 private:
  std::unique_ptr<xmmu::Policy> bare_;
};

// Stores to each of some pages, once.
class Stores final : public xmmu::Workload {
 public:
  explicit Stores(uint64_t pages) : pages_(pages) {
    constexpr xmmu::VirtAddr kArray{0x10000000};
    ops_.push_back({.kind = GuestOpKind::kMap,
                    .rights = xmmu::kMapRead | xmmu::kMapWrite,
                    .va = kArray,
                    .length = pages * xmmu::kPageSize});
    for (uint64_t page = 0; page < pages; ++page) {
      ops_.push_back({.kind = GuestOpKind::kStore,
                      .va = kArray + page * xmmu::kPageSize,
                      .length = 8});
    }
    ops_.push_back({.kind = GuestOpKind::kExit});
  }

  std::string name() const override {
    return "stores:pages=" + std::to_string(pages_);
  }
  xmmu::TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(xmmu::TaskId) override {
    return ops_;
  }

 private:
  const uint64_t pages_;
  std::vector<GuestOp> ops_;
};

xmmu::MachineModel FastWalker() {
  xmmu::MachineModel machine = *xmmu::FindMachine("xeon-2003");
  machine.name = "fast-walker";
  machine.description = "a Xeon of 2003 with a faster walker";
  return machine;
}

}  // namespace

// With an argument "twice" in front it adds a policy whose name is taken.
int main(int argc, char** argv) {
  xmmu::cli::Extensions mine;
  mine.policies.push_back(
      {"renamed", "bare hardware by another name",
       [](xmmu::Host& host) { return std::make_unique<Renamed>(host); }});
  mine.workloads.push_back({"stores",
                            "a store to each of some pages",
                            {{"pages", 7, "pages stored to"}},
                            [](std::span<const uint64_t> values) {
                              return std::make_unique<Stores>(values[0]);
                            }});
  mine.machines.push_back(FastWalker());
  if (argc > 1 && std::string(argv[1]) == "twice") {
    mine.policies.push_back(mine.policies.front());
    --argc;
    ++argv;
  }
  return xmmu::cli::Main(argc, argv, mine);
}
