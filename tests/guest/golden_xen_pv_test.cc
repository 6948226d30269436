// Replays what a guest did to a real Xen 4.17 and compares all that came of it:
// tests/golden/xen-pv, or the directory named by XMMU_GOLDEN_XEN_PV. The guest
// is a Vcpu under a policy: hypercalls as data, loads and stores through the
// MMU and its faults. After each operation all counts are audited.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "guest/golden_world.h"
#include "mmu/golden_records.h"
#include "xmmu/xen/errno.h"

namespace xmmu::golden {
namespace {

std::vector<std::string> Files() {
  const char* const other = std::getenv("XMMU_GOLDEN_XEN_PV");
  const std::filesystem::path directory =
      other != nullptr
          ? std::filesystem::path(other)
          : std::filesystem::path(XMMU_SOURCE_DIR) / "tests/golden/xen-pv";
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".gz") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Applies the operations of one file to a World.
class Replay {
 public:
  explicit Replay(const Json& header) : world_(header) {}

  // "" if the results are those recorded, or the first difference.
  std::string Step(const Json& record) {
    world_.vcpu().cpu().mmu.FlushAll();
    const Mfn base = world_.base();
    std::string difference = Apply(record);
    if (world_.base() != base) TouchKernel();
    const std::string state = world_.Compare(record);
    return difference.empty() ? state : difference + "; " + state;
  }

  const World::Compared& compared() const { return world_.compared(); }

 private:
  std::string Apply(const Json& record) {
    const std::string op = record["op"];
    if (op == "fill") return Fill(record);
    if (op == "mmu_update") return Check(record, Update(record));
    if (op == "mmuext_op") return Check(record, Extended(record));
    if (op == "update_va_mapping") return Check(record, UpdateVa(record));
    if (op == "load") return LoadWord(record);
    if (op == "store") return StoreWord(record);
    if (op == "set_gdt") return SetGdt(record);
    if (op == "decrease_reservation") return Decrease(record);
    return "unknown operation";
  }

  HypercallResult Execute(const Hypercall& call) {
    return world_.vcpu().Hypercall(call);
  }

  static std::string Check(const Json& record, const HypercallResult& result) {
    const int rc = -static_cast<int>(ErrnoOf(result.status));
    std::string difference;
    if (rc != record["rc"]) {
      difference = "rc " + std::to_string(rc) + " (" +
                   std::string(result.status.message()) + ")";
    }
    if (record.contains("done") && record["done"] != result.done) {
      difference += " done " + std::to_string(result.done);
    }
    return difference;
  }

  static DomainId Foreign(const Json& record) {
    const std::string fd = record["fd"];
    if (fd == "io") return kDomIo;
    if (fd == "xen") return kDomXen;
    return fd == "bad" ? DomainId{77} : kDomSelf;
  }

  HypercallResult Update(const Json& record) {
    static const std::array<std::string, 8> kCommands = {
        "normal", "machphys", "preserve_ad", "no_translate",
        "bad4",   "bad5",     "bad6",        "bad7"};
    std::vector<MmuUpdate> requests;
    for (const Json& request : record["reqs"]) {
      const auto command =
          std::find(kCommands.begin(), kCommands.end(), request["cmd"]);
      const bool plain = request["val"].is_number();
      requests.push_back(
          {world_.Entry(request["table"], request.value("slot", Json(0))),
           plain ? request["val"].get<uint64_t>()
                 : world_.Value(request["val"]),
           static_cast<MmuUpdateCommand>(command - kCommands.begin())});
    }
    MmuUpdateCall call{.requests = requests, .page_owner = Foreign(record)};
    if (record["fd"] == "pfd-self") {
      call.page_table_owner = world_.vcpu().domain().id();
    }
    return Execute(call);
  }

  HypercallResult Extended(const Json& record) {
    static const std::map<std::string, MmuextCommand> kCommands = {
        {"pin_l1", MmuextCommand::kPinL1},
        {"pin_l2", MmuextCommand::kPinL2},
        {"pin_l3", MmuextCommand::kPinL3},
        {"pin_l4", MmuextCommand::kPinL4},
        {"unpin", MmuextCommand::kUnpin},
        {"new_baseptr", MmuextCommand::kNewBaseptr},
        {"new_user_baseptr", MmuextCommand::kNewUserBaseptr},
        {"clear_page", MmuextCommand::kClearPage},
        {"copy_page", MmuextCommand::kCopyPage},
        {"tlb_flush_local", MmuextCommand::kTlbFlushLocal},
        {"tlb_flush_all", MmuextCommand::kTlbFlushAll},
        {"invlpg_local", MmuextCommand::kInvlpgLocal},
        {"flush_cache", MmuextCommand::kFlushCache},
        {"bad", MmuextCommand::kUnknown}};
    std::vector<MmuextOp> ops;
    for (const Json& request : record["reqs"]) {
      MmuextOp op{.command = kCommands.at(request["cmd"])};
      if (request.contains("frame")) op.mfn = world_.FrameOf(request["frame"]);
      if (request.contains("src")) op.source = world_.FrameOf(request["src"]);
      ops.push_back(op);
    }
    return Execute(MmuextCall{.ops = ops, .owner = Foreign(record)});
  }

  HypercallResult UpdateVa(const Json& record) {
    static constexpr std::array kScopes = {
        FlushScope::kNone, FlushScope::kNonGlobal, FlushScope::kPage,
        FlushScope::kNone};  // Xen: no such type, no flush
    const uint64_t flags = Number(record["flags"]);
    UpdateVaMappingCall call{.va = Address(record),
                             .value = world_.Value(record["val"]),
                             .page_owner = Foreign(record)};
    call.flush.scope = kScopes.at(flags & 3);
    call.flush.all_vcpus = (flags & 4) != 0;
    return Execute(call);
  }

  // Maps the page, stores to it, unmaps it.
  std::string Fill(const Json& record) {
    const Mfn frame = world_.FrameOf(record["frame"]);
    if (const int rc = MapScratch(Pte(frame, 0x67)); rc != record["rc"]) {
      return "rc " + std::to_string(rc);
    } else if (rc != 0) {
      return "";
    }
    for (const Json& run : record["ents"]) {
      const int first = run[0];
      const int end = std::min(512, first + run[2].get<int>());
      for (int slot = first; slot < end; ++slot) {
        MemoryOperand store{.kind = OperandKind::kStore,
                            .value = world_.Value(run[1])};
        if (Perform(world_.scratch() + 8 * static_cast<uint64_t>(slot), store)
                .has_value()) {
          return "a fault";
        }
      }
    }
    return MapScratch(Pte()) == 0 ? "" : "cannot unmap";
  }

  int MapScratch(Pte entry) {
    const std::array request = {MmuUpdate{world_.scratch_entry(), entry.raw()}};
    return -static_cast<int>(
        ErrnoOf(Execute(MmuUpdateCall{.requests = request}).status));
  }

  VirtAddr Address(const Json& record) const {
    uint64_t va = 0;
    for (const Json& index : record["va"]) {
      va = va << 9 | index.get<uint64_t>();
    }
    va <<= kPageShift;
    if (record.contains("off")) va += record["off"].get<uint64_t>();
    if (!world_.pae() && (va >> 47) != 0) va |= ~uint64_t{0} << 48;
    return VirtAddr(va);
  }

  // One instruction of the guest's kernel.
  std::optional<PageFault> Perform(VirtAddr va, MemoryOperand& operand) {
    return world_.vcpu().Execute(va, /*user=*/false, operand);
  }

  // The fault as the guest sees it, against the record.
  static std::string CheckFault(const Json& record, const PageFault& fault) {
    if (record["res"] != "fault") return "a fault";
    if (static_cast<int>(fault.vector) != record["vec"]) return "vector";
    if (fault.error_code == Number(record["err"])) return "";
    return "error code " + std::to_string(fault.error_code);
  }

  std::string LoadWord(const Json& record) {
    const uint64_t offset = record["off"].get<uint64_t>();
    MemoryOperand load{.kind = OperandKind::kLoad};
    const auto fault = Perform(Address(record) - offset % 8, load);
    if (fault.has_value()) return CheckFault(record, *fault);
    if (record["res"] != "ok") return "no fault";
    return world_.Matches(record["seen"], load.seen) ? "" : "another value";
  }

  std::string StoreWord(const Json& record) {
    static const std::map<std::string, OperandKind> kKinds = {
        {"mov", OperandKind::kStore},
        {"xchg", OperandKind::kXchg},
        {"cmpxchg", OperandKind::kCmpxchg},
        {"or", OperandKind::kOr}};
    const VirtAddr va = Address(record);
    const uint64_t shift = va.value() % 8 * 8;
    MemoryOperand operand{.kind = kKinds.at(record["kind"]),
                          .size = record["size"].get<uint8_t>()};
    operand.value = world_.Value(record["val"]) >> shift & operand.mask();
    if (record.contains("old")) {
      operand.expected = world_.Value(record["old"]) >> shift & operand.mask();
    }
    if (operand.kind != OperandKind::kStore) {
      // The recording machine loads before it stores.
      MemoryOperand load{.kind = OperandKind::kLoad, .size = operand.size};
      const auto fault = Perform(va, load);
      if (fault.has_value()) return CheckFault(record, *fault);
    }
    const auto fault = Perform(va, operand);
    if (fault.has_value()) return CheckFault(record, *fault);
    return CheckStored(record, operand, shift);
  }

  std::string CheckStored(const Json& record, const MemoryOperand& operand,
                          uint64_t shift) const {
    if (record["res"] != "ok") return "no fault";
    if (record.contains("zf") && (record["zf"] == 1) != operand.zf) {
      return "another ZF";
    }
    if (!record.contains("seen")) return "";
    // A part of an entry: the bits of the others are not in `seen`.
    const bool part = operand.size < 8 && record["seen"][0] != "x";
    const bool same =
        part ? (world_.Value(record["seen"]) >> shift & operand.mask()) ==
                   operand.seen
             : world_.Matches(record["seen"], operand.seen << shift);
    return same ? "" : "another value";
  }

  std::vector<Mfn> FramesOf(const Json& record) const {
    std::vector<Mfn> frames;
    for (const Json& frame : record["frames"]) {
      frames.push_back(world_.FrameOf(frame));
    }
    return frames;
  }

  std::string SetGdt(const Json& record) {
    const std::vector<Mfn> frames = FramesOf(record);
    return Check(record, Execute(SetGdtCall{.frames = frames}));
  }

  std::string Decrease(const Json& record) {
    const std::vector<Mfn> frames = FramesOf(record);
    const uint32_t done =
        Execute(DecreaseReservationCall{.frames = frames}).done;
    return done == record["rc"] ? "" : "rc " + std::to_string(done);
  }

  // The recording guest's kernel runs on through slot 3 of its new root.
  void TouchKernel() {
    if (!world_.pae()) return;
    const MachineAddr slot3 = AddressOf(world_.base()) + uint64_t{24};
    PhysMemory& memory = world_.memory();
    memory.Write64(slot3, memory.Read64(slot3) | pte::kAccessed);
  }

  World world_;
};

class GoldenXenPvTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenXenPvTest, EveryOperationEndsAsOnXen) {
  const std::vector<Json> records = ReadRecords(GetParam());
  ASSERT_FALSE(records.empty()) << "cannot read " << GetParam();
  ASSERT_EQ(records.front().value("format", ""), "xen-pv-oracle/1");
  ASSERT_TRUE(records.back().contains("end")) << "the file is cut off";
  const int operations = records.back()["ops"];
  Replay replay(records.front());
  int asserted = 0;
  std::string rest;
  for (const Json& record : records) {
    if (!record.contains("op")) continue;
    // A defect of Xen's that is not imitated: see FORMAT.md.
    if (record.value("quirk", "") == "partial-leak") {
      rest = "; the " + std::to_string(operations - asserted) +
             " from the partial leak on are not";
      break;
    }
    const std::string difference = replay.Step(record);
    ASSERT_EQ(difference, "") << record.dump().substr(0, 1000);
    ++asserted;
  }
  if (rest.empty()) {
    EXPECT_EQ(asserted, operations);
  }
  std::cout << std::filesystem::path(GetParam()).stem().stem().string() << ": "
            << asserted << " of " << operations << " operations asserted, with "
            << replay.compared().states << " page states and "
            << replay.compared().words << " words" << rest << "\n";
}

std::string TestName(const testing::TestParamInfo<std::string>& info) {
  std::string name = std::filesystem::path(info.param).stem().stem();
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenXenPvTest, testing::ValuesIn(Files()),
                         TestName);

TEST(GoldenXenPvFilesTest, ThereAreSome) { EXPECT_FALSE(Files().empty()); }

}  // namespace
}  // namespace xmmu::golden
