// What the words of a spool become: programs of one thread, and process trees.

#include "workload/process/process_state.h"
#include "workload/qemu/spool_support.h"

namespace xmmu::convert_spool_test {

using namespace spool_support;  // NOLINT: a test is written with its words

class ConvertSpoolTest : public SpoolTest {};

TEST_F(ConvertSpoolTest, BlocksAreFetchesAndAccessesComeBehindTheirs) {
  Write("7.0.blocks", BlockWords().Block(kCode + 0x10, {1, 2, 3}));
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Load(1, kStackEnd - 8, 3)
                     .Store(1, kStackEnd - 64, 2)
                     .Block(1)
                     .Call(231, 2, {})
                     .Exit(7));
  KeptOps streams;
  EXPECT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Text(7),
            "map 400000 +65536 rights 5\n"
            "map 4000000000 +8388608 rights 3\n"
            "fetch 400010 +1\n"
            "fetch 400011 +2\n"
            "load 40007ffff8 +8\n"
            "store 40007fffc0 +4\n"
            "fetch 400013 +3\n"
            "fetch 400010 +1\n"
            "fetch 400011 +2\n"
            "fetch 400013 +3\n"
            "exit\n");
  EXPECT_EQ(Count("instructions"), 6);
  EXPECT_EQ(Count("accesses"), 2);
}

TEST_F(ConvertSpoolTest, ImagesHaveTheFilesAndOffsetsThatTheSpoolNames) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  ThreadWords words(7, 1);
  words.Program(1, "/bin/a").Program(3, "x86_64");
  words.Map(5, kCode, kCode + 0x1000, "/bin/a", 0x2000);
  words.Map(3, 0x600000, 0x601000);
  words.Map(0, 0x700000, 0x701000, "/lib/b");
  Write("7.0.0", words.Block(1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  const std::vector<GuestOp>& ops = streams.by_task[7];
  EXPECT_EQ(ops[0].backing, Backing::kFilePrivate);
  EXPECT_EQ(ops[0].file, FileIdentity("/bin/a"));
  EXPECT_EQ(ops[0].file_offset, 0x2000);
  EXPECT_EQ(ops[1].backing, Backing::kAnonymous);
  EXPECT_EQ(ops[1].file, 0);
  EXPECT_EQ(ops[2].rights, 0);
  EXPECT_EQ(ops[2].file, FileIdentity("/lib/b"));
}

TEST_F(ConvertSpoolTest, PiecesOfAVectorAreOneAccess) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1, 1}));
  const uint64_t at = kStackStart;
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Load(0, at, 3)
                     .Load(0, at + 8, 3)
                     .Load(0, at + 16, 3)
                     .Load(0, at + 32, 3)   // not behind the last
                     .Store(0, at + 40, 3)  // another direction
                     .Store(0, at + 48, 2)  // not of 8 bytes
                     .Store(1, at + 52, 3)  // another instruction
                     .Store(1, at + 60, 3));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "fetch 400000 +1\n"
            "load 4000000000 +24\n"
            "load 4000000020 +8\n"
            "store 4000000028 +8\n"
            "store 4000000030 +4\n"
            "fetch 400001 +1\n"
            "store 4000000034 +16\n"
            "exit\n");
}

TEST_F(ConvertSpoolTest,
       ALoadAndAStoreOfTheSameBytesByOneInstructionAreAModify) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1, 1, 1, 1}));
  const uint64_t at = kStackStart;
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Load(0, at, 2)
                     .Store(0, at, 2)
                     .Load(1, at, 3)
                     .Load(1, at + 8, 3)
                     .Store(1, at, 3)
                     .Store(1, at + 8, 3)
                     .Load(2, at, 2)
                     .Store(3, at, 2)      // by the next instruction
                     .Load(3, at + 64, 2)  // and not behind a store
                     .Store(3, at + 64, 1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "fetch 400000 +1\n"
            "modify 4000000000 +4\n"
            "fetch 400001 +1\n"
            "modify 4000000000 +16\n"
            "fetch 400002 +1\n"
            "load 4000000000 +4\n"
            "fetch 400003 +1\n"
            "store 4000000000 +4\n"
            "load 4000000040 +4\n"
            "store 4000000040 +2\n"
            "exit\n");
}

TEST_F(ConvertSpoolTest, WhatIsNotMappedOrNotWithThatRightIsLeftOutAndCounted) {
  Write("7.0.blocks",
        BlockWords().Block(kCode, {1}).Block(0xffffffffff600000, {1}));
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Load(0, kStackStart - 1, 0)
                     .Load(0, kStackStart, 0)
                     .Store(0, kCode, 0)  // which may only be read
                     .Load(0, kCode, 0)
                     .Block(2));  // the vsyscall page
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "fetch 400000 +1\n"
            "load 4000000000 +1\n"
            "load 400000 +1\n"
            "exit\n");
  EXPECT_EQ(Count("accesses to what is not mapped, left out"), 3);
}

// Not even if their fetches are left out.
TEST_F(ConvertSpoolTest, AccessesOfTwoInstructionsAreNeverOne) {
  Write("7.0.blocks", BlockWords().Block(kCode - 8, {1, 1, 1, 1}));
  const uint64_t at = kStackStart;
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Store(0, at, 3)
                     .Store(1, at + 8, 3)
                     .Load(2, at, 3)
                     .Store(3, at, 3));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "store 4000000000 +8\nstore 4000000008 +8\n"
            "load 4000000000 +8\nstore 4000000000 +8\nexit\n");
}

TEST_F(ConvertSpoolTest, CallsBecomeWhatTheTableOfCallsSays) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  const uint64_t path = kStackStart + 0x100;
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Call(257, 2, {0xffffff9c, path, 0, 0, 0, 0})
                     .Text(1, "/etc/x")
                     .Return(257, 3, 3)
                     .Done(9, 4, {0, 0x2000, 1, 2, 3, 0}, 0x10000000)
                     .Done(0, 6, {3, kStackStart, 100, 0, 0, 0}, 50)
                     .Done(0, 8, {3, kStackStart, 100, 0, 0, 0}, -9)
                     .Done(11, 10, {0x10000000, 0x1000, 0, 0, 0, 0}, 0));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "fetch 400000 +1\n"
            "in 4000000100 +7 ...\n"
            "open\n"
            "map 10000000 +8192 rights 1\n"
            "out 4000000000 +50\n"
            "syscall\n"
            "unmap 10000000 +4096\n"
            "exit\n");
  EXPECT_EQ(streams.by_task[7][5].file, FileIdentity("/etc/x"));
}

TEST_F(ConvertSpoolTest, VectorsAreReadAndWrittenAsFarAsTheCallGot) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  const uint64_t at = kStackStart;
  std::string vectors(32, '\0');
  const uint64_t parts[] = {at + 0x100, 16, at + 0x200, 64};
  memcpy(vectors.data(), parts, sizeof(parts));
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Call(20, 2, {1, at, 2, 0, 0, 0})
                     .Memory(1, vectors)
                     .Return(20, 3, 20)
                     .Call(19, 4, {1, at, 2, 0, 0, 0})
                     .Memory(1, vectors)
                     .Return(19, 5, 16));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 3),
            "in 4000000000 +32 ...\n"
            "in 4000000100 +16 ...\n"
            "in 4000000200 +4\n"
            "in 4000000000 +32 ...\n"
            "yield ...\n"
            "out 4000000100 +16\n"
            "exit\n");
}

TEST_F(ConvertSpoolTest, AChildHasItsParentsMappingsAndBlocks) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Done(57, 2, {}, 8)
                     .Block(1)
                     .Done(61, 6, {8, 0, 0, 0, 0, 0}, 8)
                     .Call(231, 8, {})
                     .Exit(7));
  Write("8.0.blocks", BlockWords(2).Block(kCode + 1, {2}));
  Write("8.0.0", ThreadWords(8, 2)
                     .Forked(7)
                     .Block(1)
                     .Block(2)
                     .Store(0, kStackStart, 3)
                     .Call(231, 4, {})
                     .Exit(8));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "fetch 400000 +1\nfork task 8\nfetch 400000 +1\n"
            "wait task 8\nexit\n");
  EXPECT_EQ(streams.Text(8),
            "fetch 400000 +1\nfetch 400001 +2\nstore 4000000000 +8\nexit\n");
  EXPECT_EQ(Count("processes"), 2);
}

TEST_F(ConvertSpoolTest, AnExecIsTheNextProgramOfTheSameTask) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Call(59, 2, {kStackStart, 0, 0, 0, 0, 0})
                     .Text(0, "/no/such")
                     .Return(59, 3, -2)
                     .Call(59, 4, {kStackStart, 0, 0, 0, 0, 0})
                     .Text(0, "/bin/b"));
  Write("7.1.blocks", BlockWords().Block(kCode + 8, {4}));
  Write("7.1.0", Program(7, 1, "/bin/b").Block(1).Call(231, 2, {}).Exit(7));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "fetch 400000 +1\n"
            "in 4000000000 +9\n"
            "in 4000000000 +7 ...\n"
            "exec\n"
            "map 400000 +65536 rights 5\n"
            "map 4000000000 +8388608 rights 3\n"
            "fetch 400008 +4\n"
            "exit\n");
  EXPECT_EQ(Count("programs"), 2);
}

// _start pushes below what exec has written, or loads its first word.
TEST_F(ConvertSpoolTest, AnExecBringsThePagesOfTheStackThatItWroteTo) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  Write("7.0.0", Program(7).Block(1).Call(59, 4, {}));
  Write("7.1.blocks", BlockWords().Block(kCode, {1}));
  const auto maps = [&](ThreadWords words) {
    Write("7.1.0", std::move(words));
    KeptOps streams;
    EXPECT_EQ(Convert(streams), "");
    return streams.Behind(7, 3);
  };
  EXPECT_EQ(maps(Program(7).Block(1).Store(0, kStackEnd - 0x1008, 3)),
            "exec 40007ff000 +4096\n"
            "map 400000 +65536 rights 5\n"
            "map 4000000000 +8384512 rights 3\n"
            "fetch 400000 +1\n"
            "store 40007feff8 +8\n"
            "exit\n");
  EXPECT_EQ(maps(Program(7).Block(1).Load(0, kStackEnd - 0x1008, 3)),
            "exec 40007fe000 +8192\n"
            "map 400000 +65536 rights 5\n"
            "map 4000000000 +8380416 rights 3\n"
            "fetch 400000 +1\n"
            "load 40007feff8 +8\n"
            "exit\n");
}

TEST_F(ConvertSpoolTest, AChildThatWroteNothingExits) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  Write("7.0.0", Program(7).Block(1).Done(58, 2, {}, 8).Call(231, 4, {}));
  // The plug-in had made these, and no more.
  Write("8.0.blocks", std::vector<uint64_t>(64));
  Write("8.0.0", std::vector<uint64_t>(64));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2), "fetch 400000 +1\nvfork task 8\nexit\n");
  EXPECT_EQ(streams.Text(8), "exit\n");
  EXPECT_EQ(Count("processes without a word"), 1);
}

TEST_F(ConvertSpoolTest, AForkThatAKillCutShortHasTheChildThatNamesItsParent) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  Write("7.0.0", Program(7).Done(57, 2, {}, 8).Call(57, 4, {}));
  Write("8.0.blocks", BlockWords(2));
  Write("8.0.0", ThreadWords(8, 2).Forked(7).Block(1).Call(57, 3, {}));
  Write("9.0.blocks", BlockWords(2));
  Write("9.0.0", ThreadWords(9, 4).Forked(7).Block(1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2), "fork task 8\nfork task 9\nexit\n");
  EXPECT_EQ(streams.Text(8), "fetch 400000 +1\nsyscall\nexit\n");
  EXPECT_EQ(streams.Text(9), "fetch 400000 +1\nexit\n");
}

TEST_F(ConvertSpoolTest, AnIdThatWasUsedAgainIsATaskOfItsOwn) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1, 1}));
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Done(57, 2, {}, 8)
                     .Done(61, 4, {8, 0, 0, 0, 0, 0}, 8)
                     .Done(57, 6, {}, 8)
                     .Done(61, 8, {~uint64_t{0}, 0, 0, 0, 0, 0}, 8));
  Write("8.0.blocks", BlockWords(2));
  Write("8.0.0", ThreadWords(8, 2).Forked(7).Block(1));
  Write("8.1.blocks", BlockWords(2).Block(kCode + 8, {3}));
  Write("8.1.0", ThreadWords(8, 6).Forked(7).Block(2));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 4),
            "fork task 8\nwait task 8\nfork task 4194304\n"
            "wait task 4194304\nexit\n");
  EXPECT_EQ(streams.Text(8), "fetch 400000 +1\nfetch 400001 +1\nexit\n");
  EXPECT_EQ(streams.Text(4194304), "fetch 400008 +3\nexit\n");
}

TEST_F(ConvertSpoolTest, AFileThatIsKilledShortEndsWithItsLastWord) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  ThreadWords words = Program(7);
  words.Block(1).Call(0, 2, {0, kStackStart, 8, 0, 0, 0});
  words.words().resize(words.words().size() + 1000);
  Write("7.0.0", words);
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2), "fetch 400000 +1\nyield\nexit\n");
}

TEST_F(ConvertSpoolTest, TheHeadHasTheCommandAndTheProgram) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  ThreadWords words(7, 1);
  words.Program(1, "/bin/ls").Program(2, std::string("ls\0-l\0", 6));
  Write("7.0.0", words.Program(3, "x86_64"));
  const auto head = ReadSpoolHead(directory());
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->first_task, 7);
  EXPECT_EQ(head->facts.command, "ls -l");
  EXPECT_EQ(head->facts.format, "qemu");
}

}  // namespace xmmu::convert_spool_test
