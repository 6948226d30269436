#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/report/machine_report.h"

namespace xmmu::machine_list_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(FormatMachineTest, TheTableHasTheSourceOfEveryValue) {
  const std::string text =
      FormatMachine(*FindMachine("xeon-2003"), MachineFormat::kText);
  EXPECT_THAT(text, HasSubstr("machine   xeon-2003: 2.4 GHz Pentium 4 Xeon"));
  EXPECT_THAT(text, testing::ContainsRegex(
                        "cost.mov_cr3 +estimated +500 +300 +900 +cycles +"
                        "assumed: no published figure for the P4\n"));
  EXPECT_THAT(text, testing::ContainsRegex("cache.l2.bytes +read +524288 +"
                                           "bytes +CPUID of F27"));
}

TEST(FormatMachineTest, EveryFormatHasEveryCost) {
  for (const MachineFormat format : AllMachineFormats()) {
    for (const MachineModel* machine : Machines()) {
      const std::string text = FormatMachine(*machine, format);
      for (size_t i = 0; i < kCostEventCount; ++i) {
        const std::string_view name = CostEventName(static_cast<CostEvent>(i));
        EXPECT_THAT(text, HasSubstr("cost." + std::string(name)));
      }
    }
  }
}

TEST(FormatMachineTest, CellsOfCsvWithCommasAreQuoted) {
  const std::string text =
      FormatMachine(*FindMachine("nehalem-2009"), MachineFormat::kCsv);
  EXPECT_THAT(text, StartsWith("machine,key,mark,value,low,high,unit,source\n"
                               "nehalem-2009,clock.ghz,read,2.673,,,GHz,"));
  EXPECT_THAT(text, HasSubstr("\nnehalem-2009,cost.vm_exit,remembered,1009,900,"
                              "1266,cycles,\"Nehalem: Agesen et al., USENIX "
                              "ATC'12\"\n"));
}

TEST(FormatMachineTest, JsonHasBandMarkAndSource) {
  const auto json = nlohmann::json::parse(
      FormatMachine(*FindMachine("zen5-2024"), MachineFormat::kJson));
  EXPECT_EQ(json["machine"], "zen5-2024");
  for (const auto& value : json["values"]) {
    EXPECT_FALSE(value["source"].get<std::string>().empty()) << value;
    EXPECT_FALSE(value["mark"].get<std::string>().empty()) << value;
    if (value["key"] != "cost.tlb_l2_hit") continue;
    EXPECT_EQ(value["value"], 7);
    EXPECT_EQ(value["low"], 7);
    EXPECT_EQ(value["high"], 7);
    EXPECT_EQ(value["unit"], "cycles");
    EXPECT_EQ(value["mark"], "measured");
  }
}

}  // namespace
}  // namespace xmmu::machine_list_test
