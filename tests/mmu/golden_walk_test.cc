// Replays recorded page walks of QEMU and Bochs against the Mmu. What is
// compared follows FORMAT.md beside the records: everything of an undisputed
// record, of one settled by the manual and of one that only the manual
// supports; all but the disputed fields where both answers are defensible.
//
// XMMU_GOLDEN_X86_WALK=DIR replays the records of another directory.

#include <algorithm>
#include <cctype>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "mmu/golden_records.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu {
namespace {

using golden::Json;
using golden::Number;

PagingMode ModeOf(const Json& record) {
  const std::string name = record.at("mode");
  for (const PagingMode mode : kAllPagingModes) {
    std::string plain(PagingModeName(mode));
    plain.erase(std::remove(plain.begin(), plain.end(), '-'), plain.end());
    if (plain == name) return mode;
  }
  throw std::runtime_error("no paging mode " + name);
}

AccessKind KindOf(const Json& record) {
  static const std::map<std::string, AccessKind> kKinds = {
      {"read", AccessKind::kRead},
      {"write", AccessKind::kWrite},
      {"exec", AccessKind::kExecute},
      {"implicit_read", AccessKind::kImplicitRead}};
  return kKinds.at(record.at("access"));
}

MachineModel ModelOf(const Json& record) {
  MachineModel model;
  model.features.vendor = Vendor::kIntel;  // see "intel_only"
  model.features.maxphyaddr = record.at("maxphyaddr");
  model.features.pages_1g = record.at("gbpages") == 1;
  model.features.la57 = true;
  model.tlb.data_l1[0] = {4, 0, kTlb4K | kTlbLarge | kTlb1G};
  model.tlb.instruction_l1[0] = {4, 0, kTlb4K | kTlbLarge | kTlb1G};
  for (size_t level = 2; level <= 5; ++level) model.psc.level[level] = {2, 0};
  return model;
}

ControlRegisters RegistersOf(const Json& record) {
  ControlRegisters registers;
  registers.cr0 = Number(record.at("cr0"));
  registers.cr4 = Number(record.at("cr4"));
  registers.efer = Number(record.at("efer"));
  registers.pkru = static_cast<uint32_t>(Number(record.at("pkru")));
  registers.pkrs = static_cast<uint32_t>(Number(record.at("pkrs")));
  registers.ac = record.at("ac") == 1;
  return registers;
}

// A machine in the state of a record, and what its access comes to, in the
// terms of "expect".
class Replay {
 public:
  explicit Replay(const Json& record)
      : record_(record),
        mode_(ModeOf(record)),
        model_(ModelOf(record)),
        clock_(model_.prices()),
        mmu_(model_, memory_, nullptr, clock_, counters_) {
    for (const Json& entry : record.at("entries")) Store(entry[1], entry[2]);
  }

  Json Outcome() {
    EXPECT_FALSE(mmu_.Reset(RegistersOf(record_)).has_value());
    EXPECT_EQ(mmu_.mode(), mode_);
    if (mmu_.LoadCr3(Number(record_.at("cr3"))).has_value()) {
      return Finish({{"result", "gp"}, {"at", "mov_cr3"}, {"err", "0x0"}});
    }
    if (record_.contains("mid")) {
      for (const Json& store : record_.at("mid")) Store(store[0], store[1]);
    }
    const Access access = {VirtAddr(Number(record_.at("va"))), KindOf(record_),
                           record_.at("cpl") == 3};
    const TranslateResult probed = mmu_.Probe(access);
    const TranslateResult result = mmu_.Translate(access);
    // A probe sees what the access sees, and leaves no trace.
    EXPECT_EQ(Describe(probed), Describe(result));
    return Finish(Describe(result));
  }

 private:
  static std::string Hex(uint64_t value) {
    std::ostringstream text;
    text << "0x" << std::hex << value;
    return text.str();
  }

  static Json Describe(const TranslateResult& result) {
    if (result.ok()) {
      return {{"result", "ok"}, {"pa", Hex(result.addr().value())}};
    }
    const PageFault& fault = result.fault();
    if (fault.vector == FaultVector::kGeneralProtection) {
      return {{"result", "gp"}, {"at", "access"}, {"err", "0x0"}};
    }
    return {{"result", "pf"},
            {"err", Hex(fault.error_code)},
            {"cr2", Hex(fault.va.value())}};
  }

  Json Finish(Json outcome) const {
    Json after = Json::array();
    for (const Json& entry : record_.at("entries")) {
      after.push_back(Hex(
          memory_.ReadEntry(MachineAddr(Number(entry[1])), EntryBytes(mode_))));
    }
    outcome["after"] = after;
    return outcome;
  }

  void Store(const Json& address, const Json& value) {
    memory_.WriteEntry(MachineAddr(Number(address)), EntryBytes(mode_),
                       Number(value));
  }

  const Json& record_;
  PagingMode mode_;
  MachineModel model_;
  PhysMemory memory_;
  Counters counters_;
  CycleClock clock_;
  Mmu mmu_;
};

// The fields of `expect` that `outcome` must have; without the disputed ones
// where either answer will do.
std::set<std::string> FieldsToAssert(const Json& record) {
  std::set<std::string> fields;
  for (const auto& [name, value] : record.at("expect").items()) {
    fields.insert(name);
  }
  if (record.value("verdict", "") != "either") return fields;
  for (const std::string name : record.at("fields")) fields.erase(name);
  // A different result has a different shape: only `after` means the same.
  const bool other_result =
      record.at("expect").contains("result") && fields.count("result") == 0;
  if (other_result) {
    for (const char* name : {"at", "err", "cr2", "pa"}) fields.erase(name);
  }
  return fields;
}

class GoldenWalkTest : public testing::TestWithParam<std::filesystem::path> {};

TEST(GoldenWalkFilesTest, ThereAreRecords) {
  EXPECT_FALSE(golden::WalkFiles().empty()) << golden::WalkDirectory();
}

TEST_P(GoldenWalkTest, EveryRecordComesOutAsRecorded) {
  const std::vector<Json> records = golden::ReadRecords(GetParam());
  ASSERT_FALSE(records.empty()) << "cannot read " << GetParam();
  const Json& header = records.front();
  ASSERT_EQ(header.value("meta", ""), "x86-walk golden");
  ASSERT_EQ(header.at("records"), records.size() - 1);
  std::map<std::string, int> asserted;
  struct Open {
    int fields = 0;
    int as_expected = 0;
  };
  std::map<std::string, Open> open;
  int failures = 0;
  for (size_t i = 1; i < records.size(); ++i) {
    const Json& record = records[i];
    const Json outcome = Replay(record).Outcome();
    const std::set<std::string> fields = FieldsToAssert(record);
    ++asserted[record.value("verdict", "undisputed")];
    for (const auto& [name, value] : record.at("expect").items()) {
      const bool same = outcome.contains(name) && outcome.at(name) == value;
      if (fields.count(name) == 0) {
        ++open[name].fields;
        open[name].as_expected += same ? 1 : 0;
      } else if (!same) {
        ++failures;
        if (failures > 20) continue;
        ADD_FAILURE() << name << " of " << record.dump() << "\ncame out as "
                      << outcome.dump();
      }
    }
  }
  EXPECT_EQ(failures, 0);
  std::cout << header.value("name", "") << ": " << records.size() - 1
            << " records asserted";
  for (const auto& [verdict, count] : asserted) {
    std::cout << ", " << count << " " << verdict;
  }
  std::cout << "; 0 skipped";
  for (const auto& [name, count] : open) {
    std::cout << "; either \"" << name << "\" is allowed in " << count.fields
              << " (" << count.as_expected << " came out as expected)";
  }
  std::cout << "\n";
}

std::string TestName(
    const testing::TestParamInfo<std::filesystem::path>& info) {
  std::string name = info.param.filename().string();
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; },
      '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(X86Walk, GoldenWalkTest,
                         testing::ValuesIn(golden::WalkFiles()), TestName);

}  // namespace
}  // namespace xmmu
