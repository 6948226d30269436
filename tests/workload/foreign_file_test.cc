#include "workload/foreign_file.h"

#include <string>

#include "gtest/gtest.h"

namespace xmmu::foreign_file_test {
namespace {

std::string Said(std::string content) {
  TraceSample sample;
  sample.content = std::move(content);
  return ForeignFile(sample);
}

TEST(ForeignFileTest, FilesThatPeopleTakeForTracesAreNamed) {
  EXPECT_EQ(Said("PERFILE2\x68"),
            "is a perf.data of Linux's perf, expected what perf script prints "
            "of it");
  EXPECT_EQ(Said("\x17\x08\x44tracing6"),
            "is a trace.dat of trace-cmd, expected what trace-cmd report "
            "prints of it");
  EXPECT_EQ(Said("\xd4\xc3\xb2\xa1"), "is packets captured by pcap");
  EXPECT_EQ(Said("\x7f"
                 "ELF\x02"),
            "is an ELF file: a program, a library or a core dump");
  EXPECT_EQ(Said(std::string(257, '\0') + "ustar"),
            "is an archive of tar, expected the files that are in it");
  EXPECT_EQ(Said("1234 execve(\"/bin/ls\", [\"ls\"], 0x7ffd) = 0\n"),
            "is what strace prints, without accesses");
  EXPECT_EQ(Said("0x7f12: R 0x7ffd\n"), "is a log of Pin's pinatrace");
}

TEST(ForeignFileTest, AnythingElseIsNotNamed) {
  EXPECT_EQ(Said(""), "");
  EXPECT_EQ(Said("this is no log\n"), "");
  EXPECT_EQ(Said("PERFILE"), "");
  EXPECT_EQ(Said(std::string(256, '\0') + "ustar"), "");
  EXPECT_EQ(Said("0x7f12: execve\n"), "");
}

}  // namespace
}  // namespace xmmu::foreign_file_test
