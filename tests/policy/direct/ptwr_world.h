#ifndef XMMU_TESTS_POLICY_DIRECT_PTWR_WORLD_H_
#define XMMU_TESTS_POLICY_DIRECT_PTWR_WORLD_H_

// A domain under the policy writable-page-tables or a variant of it, with boot
// tables written by hand, and the guest kernel's stores to them.
//
//   frame         what it is
//   0 .. 3        tables from the root down; the last, the mapper, is an L1
//                 that maps frame n at kMapBase + n pages, tables read-only
//   4             PAE: the L2 of slot 3
//   kFirst        an L1, hooked in the root's tree at kRegion
//   kSecond       an L1, hooked at the L2 slot after that
//   kOther        a second root, not loaded; what hangs below it is the test's
//   kData ..      ordinary pages, writable in the mapper and nowhere else

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "xmmu/machine/pte.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/errno.h"
#include "xmmu/xen/internal/direct_paging_state.h"

namespace xmmu {

inline constexpr VirtAddr kMapBase{0x400000};
inline constexpr VirtAddr kRegion{0x800000};
inline constexpr uint64_t kFirst = 8;
inline constexpr uint64_t kSecond = 9;
inline constexpr uint64_t kOther = 10;  // and up to two frames for its tables
inline constexpr uint64_t kData = 16;
inline constexpr uint64_t kMappedFrames = 64;

struct PtwrMachine {
  const char* name;
  const char* machine;
  PagingMode mode;
  std::string_view policy = "writable-page-tables";
};
inline constexpr std::array<PtwrMachine, 4> kPtwrMachines = {{
    {"TwoLevel", "xeon-2003", PagingMode::k2Level},
    {"Pae", "xeon-2003", PagingMode::kPae},
    {"PaeOn64Bit", "skylake-2017", PagingMode::kPae},
    {"FourLevel", "skylake-2017", PagingMode::k4Level},
}};

// Return those machines under `policy`, or under all variants.
inline std::vector<PtwrMachine> PtwrMachinesWith(std::string_view policy) {
  std::vector<PtwrMachine> machines(kPtwrMachines.begin(), kPtwrMachines.end());
  for (PtwrMachine& machine : machines) machine.policy = policy;
  return machines;
}
inline std::vector<PtwrMachine> PtwrMachinesWithAll() {
  constexpr std::string_view kStrategy = "writable-page-tables";
  std::vector<PtwrMachine> machines;
  for (const PolicyEntry& entry : Policies()) {
    if (entry.name != kStrategy && entry.variant_of != kStrategy) continue;
    const auto more = PtwrMachinesWith(entry.name);
    machines.insert(machines.end(), more.begin(), more.end());
  }
  return machines;
}

class PtwrWorld {
 public:
  static constexpr uint64_t kRo = pte::kPresent | pte::kUser | pte::kAccessed;
  static constexpr uint64_t kRw = kRo | pte::kWritable | pte::kDirty;

  explicit PtwrWorld(const PtwrMachine& machine, int vcpus = 1)
      : mode(machine.mode),
        host(*FindMachine(machine.machine),
             {.cpus = vcpus, .timing = MemoryTiming::kFlat}),
        policy(FindPolicy(machine.policy)->make(host)) {
    domain = *host.CreateDomain(
        {.mode = mode, .memory_frames = 1024, .vcpus = vcpus});
    BuildTables();
    for (uint32_t id = 0; id < domain->vcpu_count(); ++id) {
      const absl::Status status =
          policy->StartVcpu(domain->vcpu(id), GfnOf(0), kInvalidGfn);
      EXPECT_TRUE(status.ok()) << status;
    }
    EXPECT_TRUE(Call(VmAssistCall{.enable = true}).ok());
  }

  int levels() const { return LevelCount(mode); }
  int bytes() const { return EntryBytes(mode); }
  int entries() const { return EntryCount(mode, 1); }
  uint64_t mapper() const { return static_cast<uint64_t>(levels() - 1); }
  uint64_t span() const { return uint64_t{1} << LevelShift(mode, 2); }
  VcpuContext& vcpu(uint32_t id = 0) const { return domain->vcpu(id); }
  Cpu& cpu(uint32_t id = 0) { return host.cpu(id); }
  Mfn Frame(uint64_t pfn) const { return domain->p2m().MfnOf(Pfn(pfn)); }
  Gfn GfnOf(uint64_t pfn) const { return Gfn(Frame(pfn).value()); }
  PageInfo& Page(uint64_t pfn) { return host.frames()[Frame(pfn)]; }
  const PtwrInfo& active() const {
    return domain->direct().ptwr(PtwrSlot::kActive);
  }
  const PtwrInfo& inactive() const {
    return domain->direct().ptwr(PtwrSlot::kInactive);
  }

  MachineAddr EntryAt(uint64_t table, int slot) const {
    return EntryAddress(mode, AddressOf(Frame(table)), slot);
  }
  Pte Get(uint64_t table, int slot) const {
    return Pte(host.memory().ReadEntry(EntryAt(table, slot), bytes()));
  }
  void Put(uint64_t table, int slot, Pte value) {
    host.memory().WriteEntry(EntryAt(table, slot), bytes(), value.raw());
  }
  Pte EntryOf(uint64_t pfn, uint64_t flags) const {
    return Pte(Frame(pfn), flags);
  }
  // Where the kernel sees an entry of frame `table`.
  VirtAddr VaOf(uint64_t table, int slot) const {
    return kMapBase + table * kPageSize +
           static_cast<uint64_t>(slot) * static_cast<uint64_t>(bytes());
  }
  // The mapper's entry for a frame, and the L2 entry of an L1 hooked at `va`.
  Pte MappingOf(uint64_t pfn) const {
    return Get(mapper(), static_cast<int>(pfn) + IndexOf(mode, 1, kMapBase));
  }
  Pte HookAt(VirtAddr va) const {
    return Get(mapper() - 1, IndexOf(mode, 2, va));
  }
  VirtAddr RegionOf(uint64_t table) const {
    return kRegion + (table - kFirst) * span();
  }

  // Makes one access by the kernel or the program until it goes through, and
  // returns what Xen answered to each of its faults. `done` is false if a fault
  // is the guest's.
  struct Result {
    std::vector<FaultAction> actions;
    bool done = false;
  };
  Result Run(Access access, MemoryOperand& operand, uint32_t on = 0) {
    Result result;
    access.user = !vcpu(on).kernel_mode || levels() >= 4;
    for (int i = 0; i < 8; ++i) {
      const TranslateResult to = cpu(on).mmu.Translate(access);
      if (to.ok()) {
        operand.Perform(host.memory(), to.addr());
        result.done = true;
        break;
      }
      result.actions.push_back(
          policy->HandlePageFault(vcpu(on), to.fault(), access, operand)
              .action);
      if (result.actions.back() == FaultAction::kReflect) break;
      result.done = result.actions.back() == FaultAction::kEmulated;
      if (result.done) break;
    }
    ExpectClean();
    return result;
  }
  Result StoreAt(VirtAddr va, Pte value, uint32_t on = 0) {
    MemoryOperand operand{.kind = OperandKind::kStore,
                          .size = static_cast<uint8_t>(bytes()),
                          .value = value.raw()};
    return Run({va, AccessKind::kWrite}, operand, on);
  }
  Result Store(uint64_t table, int slot, Pte value, uint32_t on = 0) {
    return StoreAt(VaOf(table, slot), value, on);
  }
  Result Load(VirtAddr va, uint32_t on = 0) {
    MemoryOperand operand{.kind = OperandKind::kLoad, .size = 4};
    return Run({va, AccessKind::kRead}, operand, on);
  }

  absl::Status Call(const Hypercall& call, uint32_t on = 0) {
    const absl::Status status = policy->Hypercall(vcpu(on), call).status;
    ExpectClean();
    return status;
  }
  absl::Status Update(uint64_t table, int slot, Pte value, uint32_t on = 0) {
    const std::array request = {
        MmuUpdate{.entry = EntryAt(table, slot), .value = value.raw()}};
    return Call(MmuUpdateCall{.requests = request}, on);
  }
  absl::Status Op(MmuextCommand command, uint64_t pfn, uint32_t on = 0) {
    const std::array op = {MmuextOp{.command = command, .mfn = Frame(pfn)}};
    return Call(MmuextCall{.ops = op}, on);
  }
  MmuextCommand PinCommand(int level) const {
    return static_cast<MmuextCommand>(static_cast<int>(MmuextCommand::kPinL1) +
                                      level - 1);
  }

  // Makes frame kOther a root, pinned, in whose tree frame `l1` is hooked at
  // the place of kRegion.
  void HookInOther(uint64_t l1) {
    uint64_t table = kOther;
    for (int level = levels(); level > 1; --level, ++table) {
      ASSERT_TRUE(MapReadOnly(table).ok());
      const bool pdpte = mode == PagingMode::kPae && level == 3;
      Put(table, IndexOf(mode, level, kRegion),
          EntryOf(level == 2 ? l1 : table + 1, pdpte ? pte::kPresent : 7));
    }
    if (mode == PagingMode::kPae) {
      ASSERT_TRUE(MapReadOnly(kOther + 2).ok());
      Put(kOther, 3, EntryOf(kOther + 2, pte::kPresent));
    }
    const absl::Status status = Op(PinCommand(levels()), kOther);
    ASSERT_TRUE(status.ok()) << status;
  }
  absl::Status MapReadOnly(uint64_t pfn) {
    return Update(mapper(), static_cast<int>(pfn) + IndexOf(mode, 1, kMapBase),
                  EntryOf(pfn, kRo));
  }

  // Returns how often `what` charges each event.
  template <typename What>
  CostTally Tally(const What& what, uint32_t on = 0) {
    const CostTally before = cpu(on).clock.tallies();
    what();
    CostTally since = cpu(on).clock.tallies();
    for (size_t i = 0; i < since.size(); ++i) since[i] -= before[i];
    return since;
  }

  void ExpectClean() const {
    const absl::Status audit = policy->Audit();
    EXPECT_TRUE(audit.ok()) << audit;
  }

  PagingMode mode;
  Host host;
  std::unique_ptr<Policy> policy;
  Domain* domain = nullptr;

 private:
  void BuildTables() {
    for (int level = levels(); level > 1; --level) {
      const auto table = static_cast<uint64_t>(levels() - level);
      const bool pdpte = mode == PagingMode::kPae && level == 3;
      const uint64_t flags = pdpte ? pte::kPresent : kRw;
      Put(table, IndexOf(mode, level, kMapBase), EntryOf(table + 1, flags));
      if (level > 2) continue;
      for (const uint64_t l1 : {kFirst, kSecond}) {
        Put(table, IndexOf(mode, 2, RegionOf(l1)), EntryOf(l1, kRw));
      }
    }
    if (mode == PagingMode::kPae) Put(0, 3, EntryOf(4, pte::kPresent));
    const int first = IndexOf(mode, 1, kMapBase);
    for (uint64_t pfn = 0; pfn < kMappedFrames; ++pfn) {
      const bool table = pfn <= 4 || pfn == kFirst || pfn == kSecond;
      Put(mapper(), first + static_cast<int>(pfn),
          EntryOf(pfn, table ? kRo : kRw));
    }
  }
};

inline size_t IndexOfEvent(CostEvent event) {
  return static_cast<size_t>(event);
}

class PtwrTest : public ::testing::TestWithParam<PtwrMachine> {};

inline std::string NameOfMachine(
    const ::testing::TestParamInfo<PtwrMachine>& row) {
  std::string name = row.param.name;
  const std::string_view policy = row.param.policy;
  if (FindPolicy(policy)->variant_of.empty()) return name;
  for (const char c : policy.substr(policy.rfind('-'))) {
    name += c == '-' || c == '.' ? '_' : c;
  }
  return name;
}

inline constexpr FaultAction kRetried = FaultAction::kRetry;
inline constexpr FaultAction kEmulated = FaultAction::kEmulated;
inline constexpr FaultAction kReflected = FaultAction::kReflect;
using Actions = std::vector<FaultAction>;

}  // namespace xmmu

#endif  // XMMU_TESTS_POLICY_DIRECT_PTWR_WORLD_H_
