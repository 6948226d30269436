#include "xmmu/machine/machine_file.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xmmu::machine_file_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

MachineModel Parsed(std::string_view text) {
  const auto model = ParseMachine(text, "m.toml");
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? *model : MachineModel();
}

std::string ErrorOf(std::string_view text) {
  const auto model = ParseMachine(text, "m.toml");
  EXPECT_TRUE(absl::IsInvalidArgument(model.status())) << model.status();
  return std::string(model.status().message());
}

// The preset, one value of it changed by the command line.
MachineModel With(std::vector<std::string> settings,
                  std::string_view preset = "xeon-2003") {
  MachineModel model = *FindMachine(preset);
  const absl::Status status = SetMachineValues(settings, model);
  EXPECT_TRUE(status.ok()) << status;
  return model;
}

std::string ErrorOfSetting(std::vector<std::string> settings) {
  const MachineModel& preset = *FindMachine("xeon-2003");
  MachineModel model = preset;
  const absl::Status status = SetMachineValues(settings, model);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(model, preset);
  return std::string(status.message());
}

TEST(MachineFileTest, EveryPresetComesBackFromToml) {
  for (const MachineModel* preset : Machines()) {
    const std::string text = MachineToml(*preset);
    const auto model = ParseMachine(text, "m.toml");
    ASSERT_TRUE(model.ok()) << preset->name << ": " << model.status();
    EXPECT_EQ(*model, *preset) << preset->name;
  }
}

// Each line of each preset matters: without it the machine is another one, or
// is refused.
TEST(MachineFileTest, NoLineOfAFileIsIgnored) {
  const MachineModel& preset = *FindMachine("opteron-2005");
  const std::string text = MachineToml(preset);
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty() || lines[i][0] == '[') continue;
    std::string rest;
    for (size_t j = 0; j < lines.size(); ++j) {
      if (j != i) absl::StrAppend(&rest, lines[j], "\n");
    }
    const auto model = ParseMachine(rest, "m.toml");
    EXPECT_FALSE(model.ok() && *model == preset) << lines[i];
  }
}

TEST(MachineFileTest, AFileMayChangeAFewValuesOfAPreset) {
  const MachineModel& preset = *FindMachine("xeon-2003");
  const MachineModel model = Parsed(
      "base = 'xeon-2003'\n"
      "name = 'slow'\n"
      "[cost]\n"
      "invlpg = 900\n"
      "[cost.mov_cr3]\n"
      "value = 700\nlow = 600\nhigh = 800\n"
      "mark = 'measured'\nsource = 'a loop'\n"
      "[tlb.data_l1.1]\n"
      "entries = 128\n");
  EXPECT_EQ(model.name, "slow");
  EXPECT_EQ(model.description, preset.description);
  EXPECT_EQ(model.cost(CostEvent::kMovCr3),
            (CostConstant{700, 600, 800, Mark::kMeasured, "a loop"}));
  EXPECT_EQ(model.cost(CostEvent::kInvlpg),
            (CostConstant{900, 900, 900, Mark::kEstimated,
                          "assumed: given in m.toml"}));
  EXPECT_EQ(model.tlb.data_l1[0].entries, 128);
  EXPECT_EQ(model.tlb.data_l1[0].from.mark, Mark::kEstimated);
  EXPECT_EQ(model.cost(CostEvent::kIret), preset.cost(CostEvent::kIret));
}

TEST(MachineFileTest, AMarkAloneCanChange) {
  const MachineModel model = Parsed(
      "base = 'xeon-2003'\n"
      "[cost.mov_cr3]\nmark = 'measured'\nsource = 'a loop'\n");
  CostConstant want = FindMachine("xeon-2003")->cost(CostEvent::kMovCr3);
  want.mark = Mark::kMeasured;
  want.source = "a loop";
  EXPECT_EQ(model.cost(CostEvent::kMovCr3), want);
}

struct BadFile {
  std::string_view text;
  std::string_view error;
};

TEST(MachineFileTest, ErrorsNameTheFileTheLineTheKeyAndWhatIsWanted) {
  const std::vector<BadFile> all = {
      {"base = 'xeon-2003'\n[cost]\nmov_cr4x = 1\n",
       "m.toml:3: cost.mov_cr4x: no such key"},
      {"base = 'xeon-2003'\n[cache.l4]\nbytes = 1\n",
       "m.toml:2: cache.l4: no such key, want l1, l2, l3, rules"},
      {"base = 'xeon-2003'\n[cost.iret]\nvalues = 1\n",
       "m.toml:3: cost.iret.values: no such key, want value, low, high, mark, "
       "source"},
      {"base = 'xeon-2003'\nfast = true\n",
       "m.toml:2: fast: no such key, want "
       "base, name, description, clock"},
      {"base = 'xeon-2003'\n\n[cost]\niret = 'much'\n",
       "m.toml:4: cost.iret.value: want a whole number from 0 to 4294967295"},
      {"base = 'xeon-2003'\n[cost]\niret = 1.5\n",
       "m.toml:3: cost.iret.value: want a whole number"},
      {"base = 'xeon-2003'\n[cost]\niret = -1\n",
       "m.toml:3: cost.iret.value: want a whole number"},
      {"base = 'xeon-2003'\n[cost]\niret = [1]\n",
       "m.toml:3: cost.iret.value: want a whole number"},
      {"base = 'xeon-2003'\n[features]\nnx = 1\n",
       "m.toml:3: features.nx: want true or false"},
      {"base = 'xeon-2003'\n[features]\nvendor = 'via'\n",
       "m.toml:3: features.vendor: want \"intel\" or \"amd\""},
      {"base = 'xeon-2003'\n[maxphyaddr]\nbits = 31\n",
       "m.toml:3: maxphyaddr.bits: want a whole number from 32 to 52"},
      {"base = 'xeon-2003'\n[maxphyaddr]\nbits = 53\n",
       "m.toml:3: maxphyaddr.bits: want a whole number from 32 to 52"},
      {"base = 'xeon-2003'\n[clock]\nghz = 0\n",
       "m.toml:3: clock.ghz: want a number from 0.001 to 1000"},
      {"base = 'xeon-2003'\n[tlb.data_l1.1]\npage_sizes = '4k+8k'\n",
       "m.toml:3: tlb.data_l1.1.page_sizes: want page sizes as"},
      {"base = 'xeon-2003'\n[cost.iret]\nvalue = 9\nlow = 10\nhigh = 20\n",
       "m.toml:5: cost.iret: value 9 is not in the band of 10 to 20"},
      {"base = 'xeon-2003'\n[cost.iret]\nvalue = 9\nlow = 1\n",
       "m.toml:4: cost.iret: want both low and high"},
      {"base = 'xeon-2003'\n[cost.iret]\nmark = 'guessed'\n",
       "m.toml:3: cost.iret.mark: want a mark: read, measured, derived, "
       "remembered, estimated"},
      {"base = 'xeon-2003'\n[cost.iret]\nmark = 'read'\n",
       "m.toml:3: cost.iret: want both mark and source"},
      {"base = 'xeon-2003'\n[cost.iret]\nmark = 'read'\nsource = ''\n",
       "m.toml:4: cost.iret.source: want a line of text"},
      {"base = 'xeon-2003'\n[tlb.data_l1.1]\nentries = 60\nways = 8\n",
       "m.toml:4: tlb.data_l1.1: 60 entries do not divide into 8 ways"},
      {"base = 'xeon-2003'\n[psc.pde]\nentries = 10\nways = 4\n",
       "m.toml:4: psc.pde: 10 entries do not divide into 4 ways"},
      {"base = 'xeon-2003'\n[cache.l2]\nbytes = 1000\n",
       "m.toml:3: cache.l2: 1000 bytes in lines of 64 do not divide into 8 "
       "ways"},
      {"base = 'xeon-2003'\n[cache.l2]\nline_bytes = 96\n",
       "m.toml:3: cache.l2: lines of 96 bytes: want a power of two, 64 at "
       "least"},
      {"base = 'xeon-2003'\n[cache.l2]\nways = 0\n", "do not divide into 0"},
      {"base = 'xeon-2003'\n[cache.l2]\nline_bytes = 0\n",
       "m.toml:3: cache.l2: lines of 0 bytes: want a power of two"},
      {"base = 'xeon-2003'\n[cache.l2]\nline_bytes = 32\n",
       "m.toml:3: cache.l2: lines of 32 bytes: want a power of two"},
      {"base = 'xeon-2003'\n[tlb.data_l1.1]\nentries = 65535\nways = 5\n"
       "[tlb.data_l2.1]\nentries = 65535\nways = 5\npage_sizes = '4k'\n",
       "m.toml: tlb: want at most 65535 TLB entries in all"},
      {"base = 'xeon-2003'\n[tlb.data_l1.1]\nentries = 8192\n",
       "m.toml:3: tlb.data_l1.1: want at most 4096 ways"},
      {"base = 'opteron-2005'\n[flush_filter]\nlines = 32\n"
       "address_spaces = 0\n",
       "m.toml:4: flush_filter: address_spaces 0: want 1 to 4096"},
      {"base = 'opteron-2005'\n[flush_filter]\naddress_spaces = 4097\n",
       "m.toml:3: flush_filter: address_spaces 4097: want 1 to 4096"},
      {"base = 'xeon-2003'\n[flush_filter]\nenabled = true\n",
       "m.toml:3: flush_filter: enabled, but of 0 lines"},
      {"base = 'xeon-2003'\n[dram]\nrow_bytes = 4096\nbanks = 0\n",
       "m.toml:4: dram: banks 0: want one at least"},
      {"base = 'xeon-2003'\n[dram]\nrow_bytes = 63\nbanks = 1\n",
       "m.toml:4: dram: row_bytes 63: want 0, or 64 at least"},
      {"base = 'xeon-2003'\n[tlb.data_l1.1]\npage_sizes = ''\n",
       "m.toml:3: tlb.data_l1.1: 64 entries for pages of no size"},
      {"base = 'xeon-2003'\n[tlb.data_l1.1]\nentries = 64\nlow = 5\n"
       "high = 0\n",
       "m.toml:5: tlb.data_l1.1: entries 64 is not in the band of 5 to 0"},
      {"base = 'xeon-2003'\n[cost]\niret = 1\niret = 2\n", "m.toml:4: "},
      {"base = 'xeon-2003'\n[cost\n", "m.toml:2: "},
      {"\n\nbase = 'abacus'\n",
       "m.toml:3: base: no 'abacus', want one of xeon-2003, opteron-2005"},
      {"base = 3\n", "m.toml:1: base: want a name"},
      {"base = 'xeon-2003'\nname = 'a,b'\n", "m.toml:2: name: want a name of"},
      {"base = 'xeon-2003'\ndescription = \"a\\nb\"\n",
       "m.toml:2: description: want a line of text"},
      {"description = 'none'\n", "m.toml: name: missing, and there is no base"},
      {"name = 'none'\n", "m.toml: description: missing, and there is no base"},
      {"name = 'a'\ndescription = 'b'\n",
       "m.toml: clock: missing, and there is no base"},
      {"name = 'a'\ndescription = 'b'\n[features]\nnx = true\n",
       "m.toml:4: features: want all of vendor, long_mode, la57, pages_1g, "
       "pse36, nx, pcid, invpcid, as there is no base"}};
  for (const BadFile& bad : all) {
    const std::string error = ErrorOf(bad.text);
    EXPECT_THAT(error, HasSubstr(std::string(bad.error))) << bad.text;
    EXPECT_THAT(error, StartsWith("m.toml")) << bad.text;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

// Just inside of what the errors above are about.
TEST(MachineFileTest, LimitsAreTheLastThatWillDo) {
  for (const char* text :
       {"[maxphyaddr]\nbits = 32\n", "[maxphyaddr]\nbits = 52\n",
        "[cost.iret]\nvalue = 10\nlow = 10\nhigh = 10\n",
        "[cost]\niret = 4294967295\n", "[cost]\niret = 0\n",
        "[tlb.data_l1.1]\nentries = 4096\n",
        "[tlb.data_l1.1]\nentries = 65534\nways = 2\n"
        "[tlb.instruction_l1.1]\nentries = 1\n",
        "[psc.pde]\nentries = 8\nways = 4\n", "[cache.l2]\nbytes = 0\n",
        "[flush_filter]\nlines = 1\naddress_spaces = 1\n",
        "[flush_filter]\nlines = 1\naddress_spaces = 4096\n",
        "[dram]\nrow_bytes = 64\nbanks = 1\n",
        "[dram]\nrow_bytes = 0\nbanks = 0\n"}) {
    EXPECT_TRUE(
        ParseMachine(absl::StrCat("base = 'xeon-2003'\n", text), "m.toml").ok())
        << text;
  }
}

// A parser that calls itself for each part would run out of stack.
TEST(MachineFileTest, WhatNestsWithoutEndIsRefusedByItsLine) {
  const auto repeated = [](std::string_view part, size_t times) {
    std::string text;
    for (size_t i = 0; i < times; ++i) text += part;
    return text;
  };
  constexpr size_t kMany = 100'000;
  for (const std::string& bad :
       {repeated("a.", kMany) + "a = 1", "[" + repeated("a.", kMany) + "a]",
        repeated("\"a\" . ", kMany) + "a = 1", "a = " + repeated("[", kMany),
        "a = " + repeated("{a=", kMany), "a = " + repeated("[\n", kMany),
        "a = '[' # '\nb = " + repeated("[ '''\n''',", kMany),
        std::string("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r = 1"),
        std::string("a = [[[[[[[[[1]]]]]]]]]")}) {
    EXPECT_THAT(ErrorOf("base = 'xeon-2003'\n" + bad),
                testing::MatchesRegex("m.toml:[0-9]+: nests deeper.*"))
        << bad.substr(0, 40);
  }
  EXPECT_THAT(ErrorOf("\n\na = [[[[[[[[[1]]]]]]]]]"), StartsWith("m.toml:3: "));
}

TEST(MachineFileTest, BracketsAndPointsInTextsAndCommentsDoNotNest) {
  const MachineModel model = Parsed(
      "base = 'xeon-2003' # [[[[[[[[[[ a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r\n"
      "description = \"\\\"[[[[[[[[[[ a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r\"\n"
      "[cost.iret]\nvalue = 1\nmark = 'read'\n"
      "source = '''it's {{{{{{{{{{{{'''\n");
  EXPECT_EQ(model.cost(CostEvent::kIret).source, "it's {{{{{{{{{{{{");
}

TEST(MachineFileTest, BytesThatAreNoTextAreRefusedInALine) {
  for (const std::string& bad :
       {std::string("base = 'xeon-2003'\0", 19), std::string("\xff\xfe\0b", 4),
        std::string("description = '\xff'"), std::string("\0\0\0\0", 4),
        std::string("[cost]\n\xc3"), std::string("description = \"\\u007f\""),
        std::string("description = \"\\u009b31m\"")}) {
    const std::string error = ErrorOf(bad);
    EXPECT_THAT(error, StartsWith("m.toml:"));
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
  // A mark of byte order in front is no fault.
  EXPECT_EQ(Parsed("\xef\xbb\xbf"
                   "base = 'xeon-2003'\n")
                .name,
            "xeon-2003");
}

TEST(MachineFileTest, OneMissingCostIsNamed) {
  std::string text = MachineToml(*FindMachine("zen2-2019"));
  const size_t begin = text.find("[cost.invlpg]");
  text.erase(begin, text.find("[cost.invpcid]") - begin);
  EXPECT_EQ(ErrorOf(text),
            "m.toml: cost.invlpg: missing, and there is no base");
}

TEST(SetMachineValuesTest, NameDescriptionAndMarkSayThatAUserSetIt) {
  const MachineModel model = With({"mov_cr3=7", "cost.iret.value=8"});
  EXPECT_EQ(model.name, "xeon-2003+set");
  EXPECT_THAT(std::string(model.description),
              HasSubstr("; with mov_cr3=7, cost.iret.value=8"));
  EXPECT_EQ(
      model.cost(CostEvent::kMovCr3),
      (CostConstant{7, 7, 7, Mark::kEstimated, "assumed: set to mov_cr3=7"}));
  EXPECT_EQ(model.cost(CostEvent::kIret).source,
            "assumed: set to cost.iret.value=8");
}

TEST(SetMachineValuesTest, GeometryAndFeaturesGoByTheKeysOfAFile) {
  const MachineModel model =
      With({"tlb.data_l2.1.entries=1024", "tlb.data_l2.1.ways=8",
            "nested.present=false", "features.vendor=amd", "clock=3",
            "tlb.data_l2.1.page_sizes=4k", "psc.pde=64"},
           "skylake-2017");
  EXPECT_EQ(model.tlb.data_l2[0].entries, 1024);
  EXPECT_EQ(model.tlb.data_l2[0].ways, 8);
  EXPECT_EQ(model.tlb.data_l2[0].page_sizes, kTlb4K);
  EXPECT_FALSE(model.nested.present);
  EXPECT_EQ(model.features.vendor, Vendor::kAmd);
  EXPECT_EQ(model.clock_ghz, 3);
  EXPECT_EQ(model.psc.level[2].entries, 64);
}

TEST(SetMachineValuesTest, WhatIsNoValueOfTheMachineIsRefused) {
  for (const char* setting : {"base=zen2-2019", "name=foo", "description=foo",
                              "base.x=1", "name.iret=1"}) {
    EXPECT_THAT(ErrorOfSetting({setting}),
                StartsWith(std::string(setting) + ": is no value of the"));
  }
}

TEST(SetMachineValuesTest, AValueIsOneWordOrAText) {
  for (const char* setting :
       {"iret=", "iret=5 ", "iret=5 # six", "iret=5#six", "iret= 5", "iret",
        "=5", "iret =5", "iret=5\n", "iret=5\x7f", "iret=\xff", ""}) {
    EXPECT_THAT(ErrorOfSetting({setting}), HasSubstr(": want KEY=VALUE"));
  }
}

TEST(SetMachineValuesTest, ABandAndAMarkCanBeGivenToo) {
  const MachineModel model =
      With({"cost.iret.value=8", "cost.iret.low=4", "cost.iret.high=9",
            "cost.iret.mark=measured", "cost.iret.source=\"my loop\""});
  EXPECT_EQ(model.cost(CostEvent::kIret),
            (CostConstant{8, 4, 9, Mark::kMeasured, "my loop"}));
}

TEST(SetMachineValuesTest, ErrorsNameTheSettingAndChangeNothing) {
  EXPECT_EQ(ErrorOfSetting({"mov_cr3"}), "mov_cr3: want KEY=VALUE");
  EXPECT_EQ(ErrorOfSetting({"=3"}), "=3: want KEY=VALUE");
  EXPECT_EQ(ErrorOfSetting({"mov_cr3="}), "mov_cr3=: want KEY=VALUE");
  EXPECT_THAT(ErrorOfSetting({"iret=1", "move_cr3=1"}),
              StartsWith("move_cr3=1: move_cr3: no such key"));
  EXPECT_THAT(ErrorOfSetting({"iret=1", "mov_cr3=fast"}),
              StartsWith("mov_cr3=fast: cost.mov_cr3.value: want a whole"));
  EXPECT_THAT(ErrorOfSetting({"iret=1", "iret=2"}), StartsWith("iret=2: "));
  EXPECT_THAT(ErrorOfSetting({"iret=\""}), StartsWith("iret=\": "));
  EXPECT_THAT(ErrorOfSetting({"iret=1\nbounce=2"}), HasSubstr("KEY=VALUE"));
  EXPECT_EQ(ErrorOfSetting({"tlb.data_l1.1.ways=7"}),
            "tlb.data_l1.1.ways=7: tlb.data_l1.1: 64 entries do not divide "
            "into 7 ways");
}

TEST(SetMachineValuesTest, NothingSetChangesNothing) {
  EXPECT_EQ(With({}), *FindMachine("xeon-2003"));
}

}  // namespace
}  // namespace xmmu::machine_file_test
