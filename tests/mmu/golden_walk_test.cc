// Replays recorded page walks of QEMU and Bochs against the Mmu. Every field of
// every record is asserted, but for what FINDINGS.md beside the records calls
// defensible either way: A flags after a fault, and the PK bit of one kind of
// error code. A dispute of a class unknown here leaves its fields open.
//
// XMMU_GOLDEN_X86_WALK=DIR replays the records of another directory.

#include <algorithm>
#include <cctype>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "mmu/golden_replay.h"
#include "mmu/naive_mmu.h"

namespace xmmu::golden {
namespace {

// The parts of a record's outcome that are left open. Everything else must be
// as in "expect".
struct Leeway {
  bool accessed_flags = false;   // in "after"
  bool pk_bit = false;           // in "err"
  std::set<std::string> fields;  // wholly
};

Leeway LeewayOf(const Json& record) {
  // Classes in which `expect` is the manual's word.
  static const std::set<std::string> kSettled = {
      "rsvd-p",      "pdpte-load",       "pdpte-a",    "no1g",
      "pse36-width", "smap-implicit-ac", "pku-bochs27"};
  Leeway leeway;
  if (record.value("verdict", "") != "either") return leeway;
  for (const std::string name : record.at("dispute")) {
    if (name == "upper-a-on-fault" || name == "1g-a-on-fault") {
      leeway.accessed_flags = true;
    } else if (name == "pks-user-pk") {
      leeway.pk_bit = true;
    } else if (kSettled.count(name) == 0) {
      for (const std::string field : record.at("fields")) {
        leeway.fields.insert(field);
      }
    }
  }
  // A result that differs has other fields too.
  if (leeway.fields.count("result") != 0) {
    leeway.fields.insert({"at", "err", "cr2", "pa"});
  }
  return leeway;
}

bool DiffersInBit5Only(const Json& a, const Json& b) {
  return ((Number(a) ^ Number(b)) & ~uint64_t{0x20}) == 0;
}

// Whether field `name` may come out as `got` where `expected` is recorded.
bool Allows(const Leeway& leeway, const std::string& name, const Json& expected,
            const Json& got) {
  if (got == expected || leeway.fields.count(name) != 0) return true;
  if (name == "err" && leeway.pk_bit) return DiffersInBit5Only(got, expected);
  if (name != "after" || !leeway.accessed_flags) return false;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!DiffersInBit5Only(got.at(i), expected.at(i))) return false;
  }
  return got.size() == expected.size();
}

// The fields of `expect` that `outcome` may not have as it has them.
std::string WrongFields(const Json& record, const Json& outcome) {
  const Leeway leeway = LeewayOf(record);
  std::string wrong;
  for (const auto& [name, value] : record.at("expect").items()) {
    const bool there = outcome.contains(name);
    if (!there && leeway.fields.count(name) != 0) continue;
    if (!there || !Allows(leeway, name, value, outcome.at(name))) {
      wrong += (wrong.empty() ? "" : ", ") + name;
    }
  }
  return wrong;
}

// Says how many records were asserted and what was open in which.
class Summary {
 public:
  void Add(const Json& record, const Json& outcome) {
    const Leeway leeway = LeewayOf(record);
    size_t left = 0;
    bool same = true;
    for (const auto& [name, value] : record.at("expect").items()) {
      left += leeway.fields.count(name) == 0 ? 1 : 0;
      same = same && outcome.contains(name) && outcome.at(name) == value;
    }
    if (left == 0) {
      ++not_asserted_;
    } else {
      ++asserted_[record.value("verdict", "undisputed")];
    }
    if (leeway.accessed_flags) ++open_["A flags after the fault"];
    if (leeway.pk_bit) ++open_["the PK bit of the error code"];
    for (const std::string& field : leeway.fields) ++open_[field];
    if (record.value("verdict", "") == "either") ++(same ? same_ : other_);
  }

  void Print(const std::string& name) const {
    int total = 0;
    for (const auto& [verdict, count] : asserted_) total += count;
    std::cout << name << ": " << total << " of " << total + not_asserted_
              << " records asserted";
    const char* separator = " (";
    for (const auto& [verdict, count] : asserted_) {
      std::cout << separator << count << " " << verdict;
      separator = ", ";
    }
    std::cout << (total > 0 ? ")" : "") << ", " << not_asserted_
              << " not asserted";
    if (not_asserted_ > 0) std::cout << " (all fields in dispute)";
    for (const auto& [what, count] : open_) {
      std::cout << "; open in " << count << ": " << what;
    }
    if (!open_.empty()) {
      std::cout << "; of those with open fields " << same_
                << " came out as recorded, " << other_ << " otherwise";
    }
    std::cout << "\n";
  }

 private:
  std::map<std::string, int> asserted_;  // by verdict
  std::map<std::string, int> open_;
  int not_asserted_ = 0;
  int same_ = 0;
  int other_ = 0;
};

// The records of `path`, checked against the header and without it.
std::vector<Json> RecordsOf(const std::filesystem::path& path) {
  std::vector<Json> records = ReadRecords(path);
  const std::string name = path.string();
  if (records.empty()) throw std::runtime_error("cannot read " + name);
  const Json& header = records.front();
  const bool count_is_right = header.value("meta", "") == "x86-walk golden" &&
                              header.contains("records") &&
                              header.at("records") == records.size() - 1;
  if (!count_is_right || records.size() < 2) {
    throw std::runtime_error(name + ": no records, or not as many as said");
  }
  records.erase(records.begin());
  return records;
}

constexpr int kMostFailuresShown = 20;

class GoldenWalkTest : public testing::TestWithParam<std::filesystem::path> {
 protected:
  void SetUp() override {
    try {
      records_ = RecordsOf(GetParam());
    } catch (const std::exception& error) {
      FAIL() << error.what();
    }
  }

  // The outcome on a CPU of `vendor`; null, and a failure, for a record that
  // cannot be replayed.
  Json OutcomeOf(const Json& record, Vendor vendor) {
    try {
      // These throw if the record lacks what the comparison will need.
      LeewayOf(record);
      static_cast<void>(record.at("expect").at("result"));
      return Replay(record, vendor).Outcome();
    } catch (const std::exception& error) {
      Complain(error.what(), record, Json());
      return Json();
    }
  }
  void Complain(const std::string& what, const Json& record,
                const Json& outcome) {
    if (++failures_ > kMostFailuresShown) return;
    ADD_FAILURE() << what << ", of " << record.dump()
                  << (outcome.is_null() ? "" : "\ncame out as ")
                  << (outcome.is_null() ? "" : outcome.dump());
  }
  void TearDown() override { EXPECT_EQ(failures_, 0); }

  std::vector<Json> records_;
  int failures_ = 0;
};

TEST(GoldenWalkFilesTest, ThereAreRecords) {
  EXPECT_FALSE(WalkFiles().empty())
      << "no .jsonl.gz files in " << WalkDirectory();
}

TEST_P(GoldenWalkTest, EveryRecordComesOutAsRecorded) {
  Summary summary;
  for (const Json& record : records_) {
    const Json outcome = OutcomeOf(record, Vendor::kIntel);
    if (outcome.is_null()) continue;
    const std::string wrong = WrongFields(record, outcome);
    if (!wrong.empty()) Complain(wrong, record, outcome);
    summary.Add(record, outcome);
  }
  summary.Print(GetParam().filename().string());
}

// ---- The same records on an AMD CPU.

// Returns the naive model's outcome of a record of 4- or 5-level paging.
Json NaiveOutcome(const Json& record, bool amd) {
  naive::State state;
  const uint64_t cr0 = Number(record.at("cr0"));
  const uint64_t cr4 = Number(record.at("cr4"));
  state.levels = record.at("mode") == "5level" ? 5 : 4;
  state.maxphyaddr = record.at("maxphyaddr");
  state.page1gb = record.at("gbpages") == 1;
  state.amd = amd;
  state.wp = naive::Bit(cr0, 16);
  state.smep = naive::Bit(cr4, 20);
  state.smap = naive::Bit(cr4, 21);
  state.pke = naive::Bit(cr4, 22);
  state.nxe = naive::Bit(Number(record.at("efer")), 11);
  state.ac = record.at("ac") == 1;
  state.pkru = static_cast<uint32_t>(Number(record.at("pkru")));
  state.cr3 = Number(record.at("cr3"));
  for (const Json& entry : record.at("entries")) {
    state.memory[Number(entry.at(1))] = Number(entry.at(2));
  }
  for (const Json& store : record.value("mid", Json::array())) {
    state.memory[Number(store.at(0))] = Number(store.at(1));
  }
  const auto kind = static_cast<naive::Kind>(KindOf(record));
  const naive::Outcome outcome =
      naive::Walk(state, Number(record.at("va")), kind, record.at("cpl") == 3)
          .Run();
  Json after = Json::array();
  for (const Json& entry : record.at("entries")) {
    after.push_back(Replay::Hex(state.memory[Number(entry.at(1))]));
  }
  if (outcome.address.has_value()) {
    return {{"result", "ok"},
            {"pa", Replay::Hex(*outcome.address)},
            {"after", after}};
  }
  return {{"result", "pf"},
          {"err", Replay::Hex(outcome.error)},
          {"cr2", record.at("va")},
          {"after", after}};
}

// AMD's manual has bit 8 of a PML4E and PML5E must-be-zero (APM Vol. 2,
// long-mode page translation); nothing else of the records depends on the
// vendor. CR4.PKS is Intel's alone: such records are left out.
TEST_P(GoldenWalkTest, OnAmdBit8OfTheTopEntriesIsReservedAndAllElseTheSame) {
  int same = 0, reserved = 0, earlier = 0, pks = 0;
  for (const Json& record : records_) {
    const Json outcome = OutcomeOf(record, Vendor::kAmd);
    if (outcome.is_null()) continue;
    if (naive::Bit(Number(record.at("cr4")), 24)) {
      ++pks;
      continue;
    }
    if (!record.value("intel_only", false) ||
        record.at("expect").at("result") == "gp") {
      const std::string wrong = WrongFields(record, outcome);
      if (!wrong.empty()) Complain(wrong + " on AMD", record, outcome);
      ++same;
      continue;
    }
    const Json expected = NaiveOutcome(record, /*amd=*/true);
    if (outcome != expected) Complain("AMD's answer", record, outcome);
    const bool rsvd =
        expected.contains("err") && (Number(expected.at("err")) & 9) == 9;
    ++(rsvd ? reserved : earlier);
    // Only an absent entry above hides the reserved bit.
    if (!rsvd && expected != NaiveOutcome(record, /*amd=*/false)) {
      Complain("AMD's and Intel's answers without bit 8", record, outcome);
    }
  }
  std::cout << GetParam().filename().string() << " on AMD: " << same
            << " records the same, " << reserved
            << " intel_only ones a reserved-bit fault, " << earlier
            << " intel_only ones not reached for an absent entry, " << pks
            << " left out for CR4.PKS\n";
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

// An empty directory fails in ThereAreRecords.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenWalkTest);
INSTANTIATE_TEST_SUITE_P(X86Walk, GoldenWalkTest,
                         testing::ValuesIn(WalkFiles()), TestName);

}  // namespace
}  // namespace xmmu::golden
