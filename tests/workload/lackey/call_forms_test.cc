// The table of system calls against what Valgrind prints: the formats of its
// PRINT macros, as they are in Valgrind 3.19's binary for x86-64.

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "workload/lackey/call_arguments.h"
#include "workload/process/call_buffers.h"
#include "xmmu/workload/system_calls.h"

namespace xmmu::call_forms_test {
namespace {

// Calls that Valgrind 3.19 has no wrapper of, or that later kernels brought.
constexpr absl::string_view kLater[] = {"sys_epoll_pwait2", "sys_mlock2",
                                        "sys_openat2", "sys_pwritev2"};

// Name -> texts that the formats print.
std::multimap<std::string, std::string> Printed() {
  std::multimap<std::string, std::string> texts;
  std::ifstream forms(XMMU_SOURCE_DIR
                      "/tests/workload/lackey/valgrind-3.19-forms.txt");
  const std::pair<const char*, const char*> kValues[] = {
      {"%#l?l?x\\(%s\\)", "0x4a(a) b, c)"},
      {"%#l?l?x", "0x4b"},
      {"%l?l?x", "4c"},
      {"%l?l?[du]", "77"},
      {"%s", "EPOLL_CTL_MOD"}};
  for (std::string line; std::getline(forms, line);) {
    const std::string name = line.substr(0, line.find_first_of(" (["));
    for (const auto& [format, value] : kValues) {
      line = std::regex_replace(line, std::regex(format), value);
    }
    texts.emplace(name, line);
  }
  return texts;
}

TEST(CallFormsTest, EveryRowsArgumentsAreReadAsValgrindPrintsThem) {
  const auto printed = Printed();
  ASSERT_GT(printed.size(), 150);
  for (const CallRow& row : CallRows()) {
    const bool later = std::find(std::begin(kLater), std::end(kLater),
                                 row.name) != std::end(kLater);
    const auto [first, last] = printed.equal_range(std::string(row.name));
    EXPECT_EQ(first == last, later) << row.name;
    if (row.arguments.empty() || later) continue;
    const bool read = std::any_of(first, last, [&](const auto& text) {
      SystemCall call;
      return ReadArguments(text.second, row, &call);
    });
    EXPECT_TRUE(read) << row.name << " " << row.arguments << ": "
                      << first->second;
  }
}

TEST(CallFormsTest, StringsEndWhereTheRestMakesSense) {
  SystemCall call;
  ASSERT_TRUE(ReadArguments("sys_rename ( 0x5(a), 0x6(b), 0x7(c) )",
                            *FindCallRow(82), &call));
  EXPECT_EQ(call.path, "a");
  EXPECT_EQ(call.other_path, "b), 0x7(c");
  ASSERT_TRUE(ReadArguments("sys_newfstatat ( -100, 0x5(x) )), 0x6 )",
                            *FindCallRow(262), &call));
  EXPECT_EQ(call.path, "x) )");
  EXPECT_EQ(call.args[0], static_cast<uint64_t>(-100));
  EXPECT_EQ(call.path_argument, 1);
}

TEST(CallFormsTest, WhatHasAnotherFormIsNotRead) {
  SystemCall call;
  for (const char* text :
       {"sys_write ( 1, 0x5 )", "sys_write ( 1, 0x5, 6, 7 )",
        "sys_write ( 1, 0x5, 6", "sys_write 1, 0x5, 6 )", "sys_writ ( 1, 2 )",
        "sys_write ( 1, 0x5, 99999999999999999999 )", "sys_write ( 1, , 6 )",
        "sys_writev ( 1, 0x5, 6 )", ""}) {
    EXPECT_FALSE(ReadArguments(text, *FindCallRow(1), &call)) << text;
    EXPECT_FALSE(call.readable);
  }
}

TEST(CallFormsTest, AnUnendingStringIsGivenUpSoon) {
  const std::string ends(30000, ')');
  SystemCall call;
  EXPECT_FALSE(ReadArguments(absl::StrCat("sys_rename ( 0x5(", ends, "0x6("),
                             *FindCallRow(82), &call));
}

TEST(CallFormsTest, RowsAreSortedAndTheirBuffersAreArguments) {
  uint64_t before = 0;
  for (const CallRow& row : CallRows()) {
    EXPECT_TRUE(row.number == 0 || row.number > before) << row.name;
    before = row.number;
    for (const CallBuffer& buffer : row.buffers) {
      if (buffer.way == CallBuffer::Way::kNone || row.arguments.empty()) {
        continue;
      }
      ASSERT_LT(buffer.pointer, row.arguments.size()) << row.name;
      const bool text = buffer.length.of == BufferLength::Of::kText;
      const char letter = row.arguments[buffer.pointer];
      EXPECT_TRUE(text ? letter == 's' : letter != 'w') << row.name;
    }
  }
}

TEST(CallFormsTest, TheListNamesCallsAsLinuxDoes) {
  std::map<int, std::string> names;
  for (const ReplayedCall& call : ReplayedCalls()) {
    names[call.number] = call.name;
    EXPECT_FALSE(call.becomes.empty()) << call.name;
  }
  // arch/x86/entry/syscalls/syscall_64.tbl
  const std::map<int, std::string> kLinux = {
      {0, "read"},         {4, "stat"},          {58, "vfork"},
      {63, "uname"},       {131, "sigaltstack"}, {158, "arch_prctl"},
      {231, "exit_group"}, {262, "newfstatat"},  {318, "getrandom"}};
  for (const auto& [number, name] : kLinux) EXPECT_EQ(names[number], name);
  EXPECT_FALSE(UnreplayedAccesses().empty());
}

}  // namespace
}  // namespace xmmu::call_forms_test
