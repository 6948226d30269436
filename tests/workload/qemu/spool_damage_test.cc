// Damaged spools give one line FILE:OFFSET, and never more than that.

#include <random>

#include "absl/strings/match.h"
#include "workload/qemu/spool_support.h"

namespace xmmu::spool_damage_test {

using namespace spool_support;  // NOLINT: a test is written with its words

class SpoolDamageTest : public SpoolTest {
 protected:
  // Converts a program whose words behind its MAPs are `words`, and returns the
  // error, less the directory.
  std::string ErrorOf(ThreadWords words) {
    Write("7.0.blocks", BlockWords().Block(kCode, {1, 2}));
    Write("7.0.0", words);
    return Error();
  }
  std::string Error() {
    KeptOps streams;
    std::string error = Convert(streams);
    const size_t at = error.find(directory());
    if (at != std::string::npos) error.erase(at, directory().size() + 1);
    return error;
  }
};

constexpr uint64_t kFirst = 20 * 8;  // the offset behind Program(7)

TEST_F(SpoolDamageTest, AnErrorSaysWhereAndWhatWasExpected) {
  ASSERT_EQ(Program(7).words().size() * 8, kFirst);
  EXPECT_EQ(ErrorOf(Program(7).Block(3)),
            "7.0.0:160: block 3, expected one of " + Path("7.0.blocks"));
  EXPECT_EQ(ErrorOf(Program(7).Return(3, 4, 0)),
            "7.0.0:160: the word 0x400000000040003, expected a BLOCK, CLOCK, "
            "CALL or EXIT");
  EXPECT_EQ(ErrorOf(Program(7).Call(3, 2, {}).Return(4, 3, 0)),
            "7.0.0:216: the return of call 4 at 3, expected one of 3 after 2");
  EXPECT_EQ(ErrorOf(Program(7).Clock(9).Clock(8)),
            "7.0.0:168: a clock of 8, expected 9 or more");
  EXPECT_EQ(ErrorOf(Program(7).Block(1).Map(1, kCode, kCode + 0x1000)),
            "7.0.0:168: a MAP, expected it before the first BLOCK");
  EXPECT_EQ(ErrorOf(Program(7).Map(1, kCode + 1, kCode + 0x1000)),
            "7.0.0:160: exec maps 0x400001-0x401000, expected whole pages of "
            "user space");
  EXPECT_EQ(ErrorOf(ThreadWords(7, 1).Block(1)),
            "7.0.0:16: a BLOCK, expected a MAP of the program first");
  EXPECT_EQ(ErrorOf(ThreadWords(7, 1).Program(3, "sparc")),
            "7.0.0:16: a program for sparc, expected x86_64 or i386");
  EXPECT_EQ(ErrorOf(Program(7).Done(57, 2, {}, 0)),
            "7.0.0:160: a fork that names no child cannot have succeeded, "
            "expected 'process PID created child PID'");
}

TEST_F(SpoolDamageTest, AFileThatIsCutSaysWhere) {
  ThreadWords words = Program(7).Call(3, 2, {});
  words.words().resize(words.words().size() - 2);
  EXPECT_EQ(ErrorOf(words),
            "7.0.0:200: the file ends here, expected 2 more words of the "
            "record at 160");
  Write("7.0.0", Program(7).Block(1));
  std::filesystem::resize_file(Path("7.0.0"), kFirst + 3);
  EXPECT_EQ(Error(),
            "7.0.0:160: the file ends here, expected a whole word of 8 bytes");
}

TEST_F(SpoolDamageTest, BlocksHaveRisingNumbersAndInstructionsOfAProcessor) {
  Write("7.0.0", Program(7));
  Write("7.0.blocks", std::vector<uint64_t>{1 << 16 | 513, kCode});
  EXPECT_EQ(Error(),
            "7.0.blocks:0: a block of 513 instructions, expected 1 to 512");
  Write("7.0.blocks", BlockWords().Block(kCode, {16}));
  EXPECT_EQ(Error(),
            "7.0.blocks:0: an instruction of 16 bytes in block 1, expected 1 "
            "to 15");
  Write("7.0.blocks",
        std::vector<uint64_t>{1 << 16 | 1, kCode, 1, 3 << 16 | 1, kCode, 1});
  EXPECT_EQ(Error(), "7.0.blocks:24: a block of number 3, expected 2");
}

TEST_F(SpoolDamageTest, ARecordingHasOneProcessThatNoneHasForked) {
  EXPECT_EQ(Error(), "0: no recording, expected files PID.GEN.VCPU of one");
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  Write("8.0.blocks", BlockWords().Block(kCode, {1}));
  Write("7.0.0", Program(7));
  Write("8.0.0", Program(8));
  EXPECT_EQ(Error(),
            "8.0.0:0: process 8 was not forked, nor was 7, expected the "
            "processes of one recording");
  Write("8.0.0", ThreadWords(9, 1).Block(1));
  EXPECT_EQ(Error(),
            "8.0.0:0: no thread 8 in 8.0.*, expected the one that it began "
            "with");
  Write("8.0.0", std::vector<uint64_t>{1});
  EXPECT_EQ(Error(), "8.0.0:0: the word 0x1, expected a THREAD and its id");
}

// Mappings that no kernel makes.
TEST_F(SpoolDamageTest, AMappingIsOfWholePagesOfUserSpace) {
  EXPECT_EQ(ErrorOf(Program(7).Done(9, 2, {0, 0x1000, 3, 0x22, ~uint64_t{0}, 0},
                                    0x10000010)),
            "7.0.0:160: mmap of 4096 bytes at 0x10000010 cannot have "
            "succeeded, expected whole pages below 0x7ffffffff000");
  EXPECT_EQ(ErrorOf(Program(7).Done(25, 2, {kStackStart, 0x1000, 0x1000, 1},
                                    0x10000010)),
            "7.0.0:160: mremap of 4096 bytes at 0x10000010 cannot have "
            "succeeded, expected whole pages below 0x7ffffffff000");
}

std::vector<uint64_t> Damaged(std::vector<uint64_t> words,
                              std::mt19937_64& random) {
  for (uint64_t n = 1 + random() % 3; n > 0 && !words.empty(); --n) {
    uint64_t& word = words[random() % words.size()];
    switch (random() % 6) {
      case 0:
        words.resize(random() % words.size());
        break;
      case 1:
        word = random();
        break;
      case 2:
        word ^= uint64_t{1} << random() % 64;
        break;
      case 3:
        word = (random() % 14) << 56 | (word & 0xffffff);
        break;
      case 4:
        std::swap(word, words[random() % words.size()]);
        break;
      default:
        words.push_back(word);
        break;
    }
  }
  return words;
}

// Words are cut off, changed, repeated and exchanged. An error is one line that
// names a file of the spool and a place in it.
TEST_F(SpoolDamageTest, NoDamageDoesMoreThanAnError) {
  const std::array<uint64_t, 6> mmap = {0, 0x3000, 3, 0x22, ~uint64_t{0}, 0};
  std::vector<std::pair<std::string, std::vector<uint64_t>>> files = {
      {"7.0.blocks",
       BlockWords().Block(kCode, {1, 2, 3}).Block(kCode + 9, {4}).words()},
      {"7.0.0", Program(7)
                    .Block(1)
                    .Load(0, kStackEnd - 8, 3)
                    .Store(2, kStackEnd - 8, 3)
                    .Call(257, 2, {0xffffff9c, kStackStart, 0, 0, 0, 0})
                    .Text(1, "/etc/passwd")
                    .Return(257, 3, 3)
                    .Done(9, 4, mmap, 0x10000000)
                    .Done(56, 6, {0x50f00, 0, 0, 0, 0, 0}, 9)
                    .Block(2)
                    .Store(0, 0x10000000, 2)
                    .Done(11, 8, {0x10000000, 0x1000, 0, 0, 0, 0}, 0)
                    .Done(57, 10, {}, 8)
                    .Done(12, 12, {0, 0, 0, 0, 0, 0}, 0x600000)
                    .Done(12, 14, {0x601000, 0, 0, 0, 0, 0}, 0x601000)
                    .Call(59, 20, {kStackStart, 0, 0, 0, 0, 0})
                    .Text(0, "/bin/b")
                    .words()},
      {"7.0.1", ThreadWords(9, 6).Block(1).Clock(9).Block(2).Exit(9).words()},
      {"7.1.blocks", BlockWords().Block(kCode, {1}).words()},
      {"7.1.0", Program(7).Block(1).Call(231, 22, {}).Exit(7).words()},
      {"8.0.blocks", BlockWords(3).Block(kCode, {2}).words()},
      {"8.0.0", ThreadWords(8, 10).Forked(7).Block(1).Block(3).words()},
  };
  std::mt19937_64 random(1);
  std::string last;
  int errors = 0;
  for (int round = 0; round < 3000; ++round) {
    const size_t hit = random() % files.size();
    for (const auto& [name, words] : files) {
      if (round == 0 || name == last) Write(name, words);
    }
    last = files[hit].first;
    Write(last, Damaged(files[hit].second, random));
    KeptOps streams;
    const std::string error = Convert(streams);
    if (error.empty()) continue;
    ++errors;
    ASSERT_TRUE(absl::StartsWith(error, directory() + "/")) << error;
    ASSERT_FALSE(absl::StrContains(error, '\n')) << error;
    ASSERT_TRUE(absl::StrContains(error, ": ")) << error;
  }
  EXPECT_GT(errors, 800);
}

}  // namespace xmmu::spool_damage_test
