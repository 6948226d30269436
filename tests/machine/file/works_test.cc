// Every source of every value of every preset names works that can be cited, or
// is known to name none.

#include "xmmu/machine/works.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "machine/file/machine_fields.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu::works_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string_view> KeysIn(std::string_view source) {
  std::vector<std::string_view> keys;
  for (const Work* work : WorksIn(source)) keys.push_back(work->key);
  return keys;
}

TEST(WorksTest, EverySourceOfEveryPresetIsResolved) {
  std::set<const Work*> used;
  for (const MachineModel* machine : Machines()) {
    MachineModel copy = *machine;
    for (const MachineSection& section : SectionsOf(copy)) {
      if (IsAbsent(section)) continue;
      const std::vector<const Work*> works = WorksIn(*section.source);
      used.insert(works.begin(), works.end());
      EXPECT_TRUE(!works.empty() ||
                  UnsourcedOf(*section.mark, *section.source) != Unsourced::kNo)
          << machine->name << " " << section.path << ": "
          << MarkName(*section.mark) << ", " << *section.source;
    }
  }
  for (const Work& work : Works()) {
    EXPECT_TRUE(used.contains(&work) || work.key == "intel-sdm3")
        << work.key << " is cited by nobody";
  }
}

TEST(WorksTest, ASourceMayNameSeveral) {
  EXPECT_THAT(KeysIn("ASPLOS'06 page fault 1093 on a P4, split 3:1 as on Core "
                     "Duo (Torvalds'14)"),
              ElementsAre("adams2006comparison", "torvalds2014fault"));
  EXPECT_THAT(KeysIn("7-cpu and AMD's guide; CPUID 80000006h says 1024"),
              ElementsAre("7cpu-zen2", "amd-sog17h", "instlatx64"));
  EXPECT_THAT(KeysIn("as Bhargava et al., ASPLOS'08, have it of AMD"),
              ElementsAre("bhargava2008accelerating"));
  EXPECT_THAT(KeysIn("assumed: MOV CR3"), IsEmpty());
}

TEST(WorksTest, WhatNamesNoWorkSaysWhy) {
  EXPECT_EQ(UnsourcedOf(Mark::kEstimated, "assumed: MOV CR3"), Unsourced::kOwn);
  EXPECT_EQ(UnsourcedOf(Mark::kMeasured, "by the authors: additions"),
            Unsourced::kOwn);
  EXPECT_EQ(UnsourcedOf(Mark::kRemembered, "36 bits by PAE"),
            Unsourced::kRemembered);
  EXPECT_EQ(UnsourcedOf(Mark::kDerived, "as locked_op"),
            Unsourced::kFromOthers);
  EXPECT_EQ(UnsourcedOf(Mark::kRead, "somebody's page"), Unsourced::kNo);
  EXPECT_EQ(UnsourcedOf(Mark::kRead, "SOSP'03"), Unsourced::kNo)
      << "names a work";
}

TEST(WorksTest, EntriesAreWhole) {
  std::set<std::string_view> keys;
  for (const Work& work : Works()) {
    SCOPED_TRACE(work.key);
    EXPECT_TRUE(keys.insert(work.key).second);
    EXPECT_FALSE(work.Field("title").empty());
    EXPECT_FALSE(work.names.empty());
    if (work.type == "inproceedings") {
      EXPECT_FALSE(work.Field("booktitle").empty());
    }
    if (work.type == "article") {
      EXPECT_FALSE(work.Field("journal").empty());
    }
    if (work.type == "article" || work.type == "inproceedings") {
      EXPECT_FALSE(work.Field("author").empty());
      EXPECT_EQ(work.Field("year").size(), 4u);
    }
    for (const WorkField& field : work.fields) {
      int depth = 0;
      for (const char c : field.value) {
        EXPECT_TRUE(c >= ' ' && c <= '~');
        depth += c == '{' ? 1 : c == '}' ? -1 : 0;
        EXPECT_GE(depth, 0);
      }
      EXPECT_EQ(depth, 0) << field.value;
    }
  }
}

TEST(WorksTest, BibtexHasTheFieldsInBraces) {
  const std::string text = BibtexOf(*WorksIn("SOSP'03").front());
  EXPECT_THAT(text, HasSubstr("@inproceedings{barham2003xen,\n"));
  EXPECT_THAT(text, HasSubstr("  title = {{Xen} and the Art of "
                              "Virtualization},\n"));
  EXPECT_TRUE(text.ends_with("  doi = {10.1145/945445.945462}\n}\n"));
}

}  // namespace
}  // namespace xmmu::works_test
