// Tests what the table of run options promises: each can be set and read back,
// and says in one line what would do.

#include "xmmu/sim/run_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <variant>

namespace xmmu::run_fields_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::Status Set(std::string_view key, std::string_view text,
                 SimulatorOptions& options) {
  return FindRunField(key)->set(text, options);
}

std::string Refusal(std::string_view key, std::string_view text) {
  SimulatorOptions options;
  const absl::Status status = Set(key, text, options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

TEST(RunFieldsTest, KeysAndFlagsAreUnique) {
  std::set<std::string_view> keys, flags;
  for (const RunField& field : RunFields()) {
    EXPECT_TRUE(keys.insert(field.key).second) << field.key;
    EXPECT_TRUE(flags.insert(field.flag).second) << field.flag;
    EXPECT_EQ(FindRunField(field.key), &field);
  }
  EXPECT_EQ(FindRunField("no_such_key"), nullptr);
}

TEST(RunFieldsTest, EachHelpNamesTheDefault) {
  for (const RunField& field : RunFields()) {
    EXPECT_THAT(std::string(field.help), HasSubstr("default ")) << field.key;
  }
}

TEST(RunFieldsTest, EveryNameThatAnOptionHasIsTakenAndReadBack) {
  for (const RunField& field : RunFields()) {
    if (field.names == nullptr) continue;
    for (const std::string_view name : field.names()) {
      SimulatorOptions options;
      EXPECT_TRUE(field.set(name, options).ok()) << field.key << "=" << name;
      EXPECT_EQ(field.get(options), Cell(std::string(name)));
    }
    EXPECT_THAT(Refusal(field.key, "no such name at all"), StartsWith("want "));
  }
}

TEST(RunFieldsTest, NumbersAreTakenToTheirEdgesAndNoFurther) {
  const struct {
    std::string_view key, least, most, below, above;
    uint64_t scale = 1;
  } kEdges[] = {
      {"vcpus", "1", "64", "0", "65"},
      {"domains", "1", "64", "0", "65"},
      {"walkers", "1", "16", "0", "17"},
      {"levels", "2", "5", "1", "6"},
      {"guest_memory_bytes", "4", "16777216", "0", "16777220", 1 << 20},
      {"quantum_ops", "1", "18446744073709551615", "0", "18446744073709551616"},
      {"flush_ceiling_pages", "0", "18446744073709551615", "-1",
       "18446744073709551616"},
      {"fault_around_pages", "1", "512", "0", "1024"},
  };
  for (const auto& edge : kEdges) {
    for (const std::string_view text : {edge.least, edge.most}) {
      SimulatorOptions options;
      EXPECT_TRUE(Set(edge.key, text, options).ok()) << edge.key << text;
      EXPECT_EQ(FindRunField(edge.key)->get(options),
                Cell(std::stoull(std::string(text)) * edge.scale));
    }
    EXPECT_THAT(Refusal(edge.key, edge.below), StartsWith("want "));
    EXPECT_THAT(Refusal(edge.key, edge.above), StartsWith("want "));
  }
}

TEST(RunFieldsTest, MemoryComesInPiecesOf4Mib) {
  EXPECT_THAT(Refusal("guest_memory_bytes", "6"),
              "want a multiple of 4 MiB, up to 16777216");
  SimulatorOptions options;
  EXPECT_TRUE(Set("guest_memory_bytes", "8", options).ok());
}

TEST(RunFieldsTest, WhatIsNoDecimalNumberIsRefused) {
  for (const std::string_view text :
       {"", "+5", "5 ", " 5", "5.0", "1e3", "0x10", "5k", "--5", "many"}) {
    EXPECT_THAT(Refusal("vcpus", text), "want 1 to 64");
    EXPECT_THAT(Refusal("migration.rounds", text), StartsWith("want rounds, "));
  }
}

TEST(RunFieldsTest, OverlapIsInThousandths) {
  SimulatorOptions options;
  EXPECT_TRUE(Set("overlap", "0.125", options).ok());
  EXPECT_EQ(options.overlap.hidden_per_mille, 125);
  EXPECT_EQ(FindRunField("overlap")->get(options), Cell(Real{0.125, 3}));
  EXPECT_TRUE(Set("overlap", "1", options).ok());
  for (const std::string_view text : {"0.1255", "1.001", "-0.001", "nan", "inf",
                                      "1e999", "0x1p-1", "+0.5", " 0.5"}) {
    EXPECT_THAT(Refusal("overlap", text), "want 0 to 1 in thousandths");
  }
}

TEST(RunFieldsTest, ARefusedValueChangesNothing) {
  for (const RunField& field : RunFields()) {
    SimulatorOptions options;
    const Cell before = field.get(options);
    EXPECT_FALSE(field.set("?", options).ok()) << field.key;
    EXPECT_EQ(field.get(options), before) << field.key;
  }
}

TEST(RunFieldsTest, AMisspeltNameIsAnsweredByTheNearest) {
  EXPECT_THAT(Refusal("machine", "xeon2003"),
              StartsWith("did you mean xeon-2003? There are xeon-2003, "));
  EXPECT_THAT(Refusal("policy", "natve"), StartsWith("did you mean native?"));
}

TEST(RunFieldsTest, AMachineOfOnesOwnGoesByItsName) {
  auto own = std::make_shared<MachineModel>(*FindMachine("xeon-2003"));
  own->name = "own";
  SimulatorOptions options;
  options.custom_machine = own;
  EXPECT_EQ(FindRunField("machine")->get(options), Cell("own"));
  EXPECT_TRUE(Set("machine", "zen2-2019", options).ok());
  EXPECT_EQ(FindRunField("machine")->get(options), Cell("zen2-2019"));
}

TEST(RunFieldsTest, WithoutAMigrationItHasNoCells) {
  SimulatorOptions options;
  const RunField& every = *FindRunField("migration.every_ops");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(every.get(options)));
  EXPECT_TRUE(Set("migration.rounds", "2", options).ok());
  EXPECT_EQ(every.get(options), Cell(uint64_t{10000}));
}

}  // namespace
}  // namespace xmmu::run_fields_test
