// What a drmemtrace lies in: versions, containers, directories, cores.

#include <string>

#include "gtest/gtest.h"
#include "workload/drmemtrace/record_counts.h"
#include "workload/drmemtrace/thread_merge.h"
#include "workload/drmemtrace/trace_builder.h"
#include "workload/drmemtrace/trace_set.h"
#include "workload/input/snappy_frames.h"

namespace xmmu {
namespace containers_test {
namespace {

using ContainersTest = DrmemtraceTest;

// A thread that fetches `count` instructions and stores each time.
std::string OneThread(uint64_t version, uint64_t thread, uint64_t process,
                      uint64_t time, int count = 3) {
  TraceBytes trace;
  trace.Head(version, thread, process).Time(time);
  for (int i = 0; i < count; ++i) {
    trace.Fetch(0x401000 + 4 * static_cast<uint64_t>(i)).Write(0x500000);
  }
  return trace.Tail(thread).bytes();
}

TEST_F(ContainersTest, EveryVersionIsRead) {
  for (uint64_t version = 1; version <= 7; ++version) {
    const auto read = ReadAll({File("t.trace", OneThread(version, 7, 7, 10))});
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->at(7).Count(GuestOpKind::kFetch), 3u);
    EXPECT_EQ(read->at(7).Count(GuestOpKind::kStore), 3u);
    EXPECT_EQ(facts_.format, "drmemtrace");
  }
  EXPECT_EQ(ErrorOf({File("t.trace", OneThread(8, 7, 7, 10))}),
            "t.trace:0: a trace of version 8, expected one from 1 to 7");
}

TEST_F(ContainersTest, EveryContainerHoldsTheSame) {
  const std::string bytes = OneThread(6, 7, 7, 10, 20000);
  for (const std::string& held :
       {bytes, Compressed(bytes, "gzip"), Compressed(bytes, "lz4"),
        Compressed(bytes, "xz"), Compressed(bytes, "zstd"),
        Zip({{"chunk.0000", bytes}}), Snappy(bytes),
        Snappy(bytes, /*checked=*/false)}) {
    const auto read = ReadAll({File("t", held)});
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->at(7).Count(GuestOpKind::kFetch), 20000u);
    EXPECT_EQ(Count("records"), bytes.size() / 12);
  }
}

TEST_F(ContainersTest, SnappyDamageIsFound) {
  // RFC 3720, B.4: the CRC of 32 zero bytes.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  std::string held = Snappy(OneThread(1, 7, 7, 10));
  held[21] = static_cast<char>(held[21] ^ 1);  // of the checksum
  EXPECT_EQ(ErrorOf({File("t", held)}),
            "t:0: a Snappy chunk does not have its checksum, expected an "
            "undamaged file");
  held = Snappy(OneThread(1, 7, 7, 10));
  EXPECT_EQ(ErrorOf({File("t", held.substr(0, held.size() - 1))}),
            "t:0: the Snappy data ends within a chunk, expected an undamaged "
            "file");
}

TEST_F(ContainersTest, SnappyBlocksHaveEveryElement) {
  std::string plain;
  // format_description.txt: a literal of 61 bytes, copies with 1, 2 and 4 bytes
  // of offset.
  const std::string text(61, 'x');
  const std::string block = "\x4f" + std::string("\xf0\x3c") + text +
                            std::string("\x01\x3d\x0e\x3d\x00", 5) +
                            std::string("\x0f\x01\x00\x00\x00", 5) + "\x14" +
                            "abcdef";
  EXPECT_FALSE(UncompressSnappy(block, 78, &plain)) << "no more than allowed";
  plain.clear();
  ASSERT_TRUE(UncompressSnappy(block, 79, &plain));
  EXPECT_EQ(plain, std::string(61 + 4 + 4 + 4, 'x') + "abcdef") << plain.size();
}

TEST_F(ContainersTest, ChunksRepeatWhatIsIgnored) {
  TraceBytes first;
  first.Head(6, 7, 7, 0xe40, 2).Time(10).Fetch(0x401000).Fetch(0x401004);
  first.Marker(21, 0);
  TraceBytes second;
  second.Marker(22, 12).Time(10).Fetch(0x401008).Time(20).Fetch(0x40100c);
  second.Marker(21, 1);
  TraceBytes third;
  third.Marker(22, 20).Time(20).Tail(7);
  const auto zipped = [&](const char* a, const char* b) {
    return Zip({{a, first.bytes()}, {b, second.bytes()}, {"z", third.bytes()}});
  };
  // The order is the archive's, whatever the names.
  const std::string path = File("t.zip", zipped("chunk.0001", "chunk.0000"));
  const auto read = ReadAll({path});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->at(7).Count(GuestOpKind::kFetch), 4u);
  const auto set = ReadTraceSet({path});
  ASSERT_TRUE(set.ok()) << set.status();
  ThreadMerge merge(set->processes.at(7)[0].heads);
  RecordCounts counts;
  ASSERT_TRUE(CountRecords(merge, &counts).ok());
  EXPECT_EQ(counts.pieces, 2u) << "at 10 and at 20, not at those repeated";
  const std::string swapped = Zip({{"a", first.bytes()}, {"c", third.bytes()}});
  EXPECT_EQ(ReadAll({File("t.zip", swapped)}).ok(), true);
  TraceBytes late = second;
  EXPECT_EQ(ErrorOf({File("t.zip", Zip({{"a", first.bytes()},
                                        {"b", second.bytes()},
                                        {"c", late.bytes()},
                                        {"d", third.bytes()}}))}),
            "t.zip:336: chunk 1 ends here, expected chunk 2: members of the "
            "zip are lost or out of order");
}

TEST_F(ContainersTest, ThreadsAreMergedByTimeProcessorAndThread) {
  const auto thread = [](uint64_t id, uint64_t pc,
                         std::vector<std::pair<uint64_t, uint64_t>> times) {
    TraceBytes trace;
    trace.Head(6, id, 5);
    for (const auto& [time, cpu] : times) trace.Time(time, cpu).Fetch(pc++, 1);
    return trace.Tail(id).bytes();
  };
  File("d.dir/trace/a.8.trace", thread(8, 0x8000000, {{10, 1}, {30, 0}}));
  File("d.dir/trace/b.6.trace", thread(6, 0x6000000, {{10, 1}, {20, 0}}));
  File("d.dir/trace/c.5.trace", thread(5, 0x5000000, {{10, 0}, {20, 1}}));
  File("d.dir/trace/cpu_schedule.bin.zip", "no trace");
  File("d.dir/trace/serial_schedule.bin.gz", "no trace");
  File("d.dir/raw/modules.log", "Module Table: version 5, count 0\n\n");
  for (const char* path : {"d.dir", "d.dir/trace", "d.dir/"}) {
    const auto read = ReadAll({Path(path)});
    ASSERT_TRUE(read.ok()) << read.status();
    std::string order;
    for (const GuestOp& op : read->at(5).ops) {
      if (op.kind != GuestOpKind::kFetch) continue;
      order += absl::StrCat(op.va.value() >> 24, ".", op.va.value() & 15, " ");
    }
    EXPECT_EQ(order, "5.0 6.0 8.0 6.1 5.1 8.1 ");
    EXPECT_EQ(Count("threads"), 3u);
  }
}

TEST_F(ContainersTest, NoMoreFilesThanTheBoundAreOpen) {
  std::vector<TraceHead> heads;
  for (uint64_t id = 1; id <= 9; ++id) {
    TraceBytes trace;
    trace.Head(6, id, 1);
    for (uint64_t turn = 0; turn < 50; ++turn) {
      trace.Time(turn * 100 + id);
      for (int i = 0; i < 30; ++i) trace.Fetch(id << 20 | turn << 8, 2);
    }
    const auto head =
        ReadTraceHead(File(absl::StrCat("t.", id), trace.Tail(id).bytes()));
    ASSERT_TRUE(head.ok()) << head.status();
    heads.push_back(*head);
  }
  ThreadMerge wide(heads);
  ThreadMerge narrow(heads, /*most_open=*/1);
  RecordCounts expected;
  RecordCounts counts;
  ASSERT_TRUE(CountRecords(wide, &expected).ok());
  ASSERT_TRUE(CountRecords(narrow, &counts).ok());
  EXPECT_EQ(expected.switches, 449u);
  EXPECT_EQ(counts.digest, expected.digest);
  EXPECT_EQ(counts.records, expected.records);
}

// Two threads on two cores, of which one moves from core 1 to core 0, where its
// records stand before those that it has on core 1, by time.
TEST_F(ContainersTest, CoresAreRegroupedByThread) {
  TraceBytes zero;
  zero.Head(7, 8, 5, 0x10e40).Time(40, 0).Fetch(0x8000002, 1);
  zero.Marker(33, 0).Marker(33, 0).Fetch(0x8000003, 1);
  zero.Add(22, 4, 6).Add(24, 4, 5).Time(20, 0).Fetch(0x6000000, 1);
  zero.Add(22, 4, 8).Add(24, 4, 5).Fetch(0x8000004, 1).Time(50, 0);
  zero.Fetch(0x8000005, 1).Tail(8);
  TraceBytes one;
  one.Head(7, 8, 5, 0x10e40).Time(10, 1).Fetch(0x8000000, 1);
  one.Time(30, 1).Fetch(0x8000001, 1).Add(26, 0, 0).Marker(32, 0);
  one.Add(22, 4, 6).Add(24, 4, 5).Fetch(0x6000001, 1).Tail(6).Marker(33, 0);
  File("cores/drmemtrace.core.000000.trace", zero.bytes());
  File("cores/drmemtrace.core.000001.trace", one.bytes());
  // A core that was idle all the time.
  TraceBytes idle;
  idle.Add(25, 0, 7).Marker(12, 7).Marker(9, 0x10e40).Marker(33, 0);
  idle.Add(22, 4, ~uint64_t{0}).Add(24, 4, ~uint64_t{0}).Marker(33, 0);
  File("cores/drmemtrace.core.000002.trace", idle.bytes());
  const auto read = ReadAll({Path("cores")});
  ASSERT_TRUE(read.ok()) << read.status();
  std::string order;
  for (const GuestOp& op : read->at(5).ops) {
    if (op.kind != GuestOpKind::kFetch) continue;
    order += absl::StrCat(op.va.value() >> 24, ".", op.va.value() & 15, " ");
  }
  EXPECT_EQ(order, "8.0 6.0 6.1 8.1 8.2 8.3 8.4 8.5 ");
  EXPECT_EQ(read->size(), 1u);
  EXPECT_EQ(Count("threads"), 2u);
}

TEST_F(ContainersTest, InterleavedThreadsKeepTheFilesOrder) {
  TraceBytes trace;
  trace.Head(1, 7, 7).Time(10).Fetch(0x401000).Add(22, 4, 8).Add(24, 4, 7);
  trace.Time(9).Fetch(0x402000).Add(22, 4, 7).Fetch(0x401004).Tail(8).Tail(7);
  const auto read = ReadAll({File("t.gz", Compressed(trace.bytes(), "gzip"))});
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->at(7).Count(GuestOpKind::kFetch), 3u);
  EXPECT_EQ(Count("threads"), 2u);
}

TEST_F(ContainersTest, WindowsAreOneProgramWithGaps) {
  TraceBytes first;
  first.Head(6, 7, 7).Time(10).Marker(14, 0).Fetch(0x401000).Tail(7);
  TraceBytes second;
  second.Head(6, 7, 7).Time(90).Marker(14, 3).Fetch(0x401004).Tail(7);
  File("drmemtrace.app.7.1.dir/window.0000/a.trace", first.bytes());
  File("drmemtrace.app.7.1.dir/window.0003/a.trace", second.bytes());
  const auto read = ReadAll({Path("drmemtrace.app.7.1.dir")});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->at(7).Count(GuestOpKind::kFetch), 2u);
  EXPECT_EQ(facts_.command, "app");
  EXPECT_TRUE(Lacks("the recording has 1 gaps between its windows"));
}

TEST_F(ContainersTest, WhatCannotBeReplayedIsRefusedByName) {
  const auto typed = [&](uint64_t type) {
    return ErrorOf(
        {File("t", TraceBytes().Head(6, 7, 7, type).Time(1).Tail(7).bytes())});
  };
  EXPECT_EQ(typed(0x4240),
            "t:24: a file of templates of kernel code, no "
            "trace, expected the trace of an x86-64 one");
  EXPECT_EQ(typed(0xe08),
            "t:24: a trace of an AArch64 program, expected the "
            "trace of an x86-64 one");
  EXPECT_EQ(typed(0xe10),
            "t:24: a trace of a 32-bit ARM program, expected the "
            "trace of an x86-64 one");
  EXPECT_EQ(typed(0xe20),
            "t:24: a trace of a 32-bit x86 program, expected the "
            "trace of an x86-64 one");
  EXPECT_EQ(typed(0xe40), "");
  EXPECT_EQ(typed(0x20200), "");
  // 32-bit records: HEADER, THREAD, each of 8 bytes.
  EXPECT_EQ(ErrorOf({File("t", std::string("\x19\0\0\0\x01\0\0\0\x16\0\x04\0"
                                           "\x07\0\0\0\x18\0\x04\0\x07\0\0\0",
                                           24))}),
            "t:8: records of 8 bytes, as in the trace of a 32-bit program, "
            "expected those of 12 bytes of an x86-64 one");
  const std::string raw("\x40\x0e\0\0\0\0\x07\xc4\x07\0\0\0\0\0\0\x40", 16);
  EXPECT_EQ(ErrorOf({File("t.raw", raw)}),
            "t.raw:0: a raw file of drmemtrace, expected a final trace: 'drrun "
            "-t drmemtrace -indir DIRECTORY', run once, writes it to "
            "DIRECTORY/trace");
  File("drmemtrace.a.7.1.dir/raw/a.raw.zlib", "x");
  EXPECT_EQ(ErrorOf({Path("drmemtrace.a.7.1.dir")}),
            "drmemtrace.a.7.1.dir:0: only raw files of drmemtrace, expected a "
            "folder trace: 'drrun -t drmemtrace -indir DIRECTORY', run once, "
            "writes it");
}

TEST_F(ContainersTest, TruncationIsFound) {
  const std::string whole = OneThread(6, 7, 7, 10);
  EXPECT_EQ(ErrorOf({File("t", whole.substr(0, whole.size() - 5))}),
            "t:204: 7 bytes behind record 17, expected records of 12: the file "
            "is cut off");
  EXPECT_EQ(ErrorOf({File("t", whole.substr(0, whole.size() - 12))}),
            "t:204: it ends behind record 17, which is no footer, expected "
            "one: the file is cut off");
  const std::string start = whole.substr(0, 60);
  EXPECT_EQ(ErrorOf({File("t", Zip({{"a", start}, {"b", whole.substr(60)}}))}),
            "t:60: a member of the zip ends behind record 5, which is no "
            "footer, expected one: the file is cut off");
  const std::string zipped = Zip({{"a", whole}});
  EXPECT_EQ(ErrorOf({File("t", zipped.substr(0, zipped.size() - 40))}),
            "t:0: a zip that is cut off, or none, expected its directory at "
            "the end");
}

TEST_F(ContainersTest, TypesThatDoNotExistAreNamedWithTheRecord) {
  const auto with = [&](uint16_t type) {
    TraceBytes trace;
    trace.Head(1, 7, 7).Time(1).Add(type, 4, 0x401000).Tail(7);
    return ErrorOf({File("t", trace.bytes())});
  };
  EXPECT_EQ(with(50),
            "t:60: record 6 is of type 50, expected one from 0 to 49");
  EXPECT_EQ(with(51),
            "t:60: record 6 is of type 51, expected one from 0 to "
            "49: damaged, or of a later DynamoRIO");
  for (const int type : {2, 9, 18, 21, 27, 32, 46, 47, 49}) {
    EXPECT_EQ(with(static_cast<uint16_t>(type)), "") << type;
  }
  TraceBytes marker;
  marker.Head(1, 7, 7).Time(1).Marker(47, 1).Marker(1000, 1).Tail(7);
  EXPECT_EQ(ErrorOf({File("t", marker.bytes())}), "") << "unknown markers";
  EXPECT_EQ(ErrorOf({File("t", OneThread(1, 7, 7, 1)), Path("t")}),
            "t:0: the same file again, expected each file once");
}

}  // namespace
}  // namespace containers_test
}  // namespace xmmu
