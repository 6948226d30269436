// What the records of a drmemtrace become.

#include <string>

#include "gtest/gtest.h"
#include "workload/drmemtrace/trace_builder.h"

namespace xmmu {
namespace stream_test {
namespace {

constexpr uint64_t kCode = 0x401000;
constexpr uint64_t kHeap = 0x7f0000000000;

class DrmemtraceStreamTest : public DrmemtraceTest {
 protected:
  // The stream of a process 7 with the records between its head and its tail.
  Stream Run(const TraceBytes& body, uint64_t version = 6,
             uint64_t type = 0xe40) {
    TraceBytes trace;
    trace.Head(version, 7, 7, type).Time(10);
    const auto read = ReadAll({File(
        "t", trace.bytes() + body.bytes() + TraceBytes().Tail(7).bytes())});
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? read->at(7) : Stream();
  }
  std::string ErrorIn(const TraceBytes& body) {
    TraceBytes trace;
    trace.Head(6, 7, 7).Time(10);
    return ErrorOf({File(
        "t", trace.bytes() + body.bytes() + TraceBytes().Tail(7).bytes())});
  }
};

TEST_F(DrmemtraceStreamTest, ReadsAndWritesOfTheSameBytesAreOneModify) {
  TraceBytes body;
  body.Fetch(kCode).Read(kHeap).Write(kHeap);               // modify
  body.Fetch(kCode).Read(kHeap).Write(kHeap, 4);            // of other bytes
  body.Fetch(kCode).Write(kHeap).Read(kHeap);               // the other way
  body.Fetch(kCode).Read(kHeap).Fetch(kCode).Write(kHeap);  // of two
  body.Fetch(kCode).Read(kHeap).Add(29, 2, kCode).Write(kHeap);
  body.Fetch(kCode).Read(kHeap).Write(kHeap).Write(kHeap);  // once only
  const Stream stream = Run(body);
  EXPECT_EQ(stream.Count(GuestOpKind::kModify), 2u);
  EXPECT_EQ(stream.Count(GuestOpKind::kLoad), 4u);
  EXPECT_EQ(stream.Count(GuestOpKind::kStore), 5u);
  EXPECT_EQ(Count("string iterations"), 1u);
}

// A span ends behind 1024 operations, but not within an instruction.
TEST_F(DrmemtraceStreamTest, SpansEndBetweenInstructions) {
  TraceBytes body;
  for (int i = 0; i < 3000; ++i) body.Fetch(kCode).Read(kHeap).Write(kHeap);
  const Stream stream = Run(body);
  EXPECT_EQ(stream.Count(GuestOpKind::kModify), 3000u);
  EXPECT_EQ(stream.Count(GuestOpKind::kStore), 0u);
}

TEST_F(DrmemtraceStreamTest, AccessesOfSizeZeroAreOneByte) {
  TraceBytes body;
  body.Fetch(kCode).Write(kHeap, 0).Fetch(kCode).Read(kHeap, 0);
  const Stream stream = Run(body);
  ASSERT_EQ(stream.Count(GuestOpKind::kStore), 1u);
  for (const GuestOp& op : stream.ops) {
    if (op.kind != GuestOpKind::kStore) continue;
    EXPECT_EQ(op.length, 1u);
  }
  EXPECT_TRUE(Lacks("2 accesses of unknown size"));
}

TEST_F(DrmemtraceStreamTest, InstructionsOfOnlineTracesAreUnpacked) {
  TraceBytes body;
  body.Fetch(kCode, 2).Add(17, 3, 0x050403);  // a bundle of 3, 4 and 5 bytes
  body.Add(30, 5, kCode + 9).Add(30, 6, kCode + 20);  // maybe: no, yes
  body.Add(10, 0, kCode).Add(17, 0, 0);  // names an instruction; nothing
  const Stream stream = Run(body);
  std::string fetches;
  for (const GuestOp& op : stream.ops) {
    if (op.kind != GuestOpKind::kFetch) continue;
    absl::StrAppend(&fetches, op.va.value() - kCode, "+", op.length, " ");
  }
  EXPECT_EQ(fetches, "0+2 2+3 5+4 9+5 20+6 ");
  EXPECT_EQ(ErrorIn(TraceBytes().Add(17, 9, 0)),
            "t:120: record 11 is a bundle of 9 instructions, expected at most "
            "8");
}

TEST_F(DrmemtraceStreamTest, KernelPartsAreSkipped) {
  constexpr uint64_t kKernel = 0xffff800000001000;
  TraceBytes body;
  body.Fetch(kCode).Marker(25, 1).Marker(27, 1).Fetch(kKernel);
  body.Read(kKernel).Time(11).Marker(28, 1).Time(12).Fetch(kCode + 4);
  body.Marker(34, 1).Fetch(kKernel).Marker(35, 1).Fetch(kCode + 8);
  const Stream stream = Run(body, 7, 0x9e40);
  EXPECT_EQ(stream.Count(GuestOpKind::kFetch), 3u);
  EXPECT_EQ(stream.Count(GuestOpKind::kLoad), 0u);
  EXPECT_EQ(stream.Kinds(), "map syscall exit");
  EXPECT_GE(Count("kernel records left out"), 3u);
}

TEST_F(DrmemtraceStreamTest, KernelAddressesElsewhereAreAnError) {
  TraceBytes body;
  body.Fetch(0xffffffffff600400, 3).Fetch(kCode).Read(uint64_t{1} << 47);
  const Stream stream = Run(body);
  EXPECT_EQ(stream.Count(GuestOpKind::kFetch), 1u);
  EXPECT_EQ(Count("accesses outside of user space left out"), 2u);
  EXPECT_EQ(ErrorIn(TraceBytes().Fetch(kCode).Read(0xffff888000000000)),
            "t:132: an access to 0xffff888000000000, which is the kernel's, "
            "expected addresses of the program");
  EXPECT_EQ(ErrorIn(TraceBytes().Fetch(kCode, 16)),
            "t:120: an instruction of 16 bytes, expected at most 15");
}

TEST_F(DrmemtraceStreamTest, MappingsAreInferredByTheFirstTouch) {
  constexpr uint64_t kStackTouch = 0x7ffd12345678;
  TraceBytes body;
  body.Fetch(kCode).Write(0x612340).Read(0x7123456).Write(kStackTouch);
  body.Fetch(0x7ffe00001000);  // the vdso, among stacks
  body.Write(kStackTouch - 0x30000);
  const Stream stream = Run(body);
  std::string maps;
  for (const GuestOp& op : stream.ops) {
    if (op.kind != GuestOpKind::kMap) continue;
    absl::StrAppend(&maps, absl::Hex(op.va.value()), "+", absl::Hex(op.length),
                    op.backing == Backing::kAnonymous     ? "a"
                    : op.backing == Backing::kStack       ? "s"
                    : op.backing == Backing::kFilePrivate ? "f"
                                                          : "?",
                    int{op.rights}, " ");
  }
  EXPECT_EQ(maps,
            "400000+10000f7 610000+10000a7 7120000+10000f7 "
            "7ffd12325000+2b000s7 7ffe00000000+10000f7 "
            "7ffd122f5000+30000s7 ");
}

TEST_F(DrmemtraceStreamTest, CallsWithArgumentsChangeMappings) {
  TraceBytes body;
  body.Fetch(kCode).Call(9, {0, 0x3000, 3, 0x22, ~uint64_t{0}, 0}, kHeap);
  body.Fetch(kCode).Write(kHeap).Call(10, {kHeap, 0x1000, 1}, 0);
  body.Fetch(kCode).Write(kHeap).Read(kHeap);  // it may be read alone
  body.Call(11, {kHeap, 0x3000}, 0).Fetch(kCode).Write(kHeap);
  body.Call(9, {0, 0, 3, 0x22, ~uint64_t{0}, 0}, ~uint64_t{21});  // EINVAL
  const Stream stream = Run(body);
  EXPECT_EQ(stream.Kinds(), "map map protect unmap map syscall exit");
  EXPECT_EQ(Count("accesses against rights left out"), 1u);
  EXPECT_EQ(Count("calls on mappings of unknown effect"), 0u);
}

TEST_F(DrmemtraceStreamTest, CallsWithoutArgumentsAreOfUnknownEffect) {
  TraceBytes body;
  body.Fetch(kCode).Marker(25, 9).Fetch(kCode).Marker(25, 11).Fetch(kCode);
  body.Marker(25, 0).Marker(26, 0).Fetch(kCode);  // may block
  body.Marker(25, 39).Fetch(kCode).Marker(0, kCode).Fetch(kCode);
  body.Marker(25, 231);
  const Stream stream = Run(body);
  EXPECT_EQ(stream.Kinds(), "map syscall syscall yield syscall syscall exit");
  EXPECT_TRUE(Lacks("2 calls on mappings without arguments are of unknown"));
  EXPECT_EQ(Count("signals"), 1u);
  EXPECT_EQ(Count("system calls"), 5u);
}

TEST_F(DrmemtraceStreamTest, ResultsBeforeVersionSixOnlySayWhetherItSucceeded) {
  TraceBytes body;
  body.Fetch(kCode).Call(9, {kHeap, 0x3000, 3, 0x32, ~uint64_t{0}, 0}, 1);
  body.Fetch(kCode).Write(kHeap).Call(11, {kHeap, 0x3000}, 1).Fetch(kCode);
  body.Call(9, {0, 0x3000, 3, 0x22, ~uint64_t{0}, 0}, 1).Fetch(kCode);
  const Stream stream = Run(body, 5);
  EXPECT_EQ(stream.Kinds(), "map map unmap syscall exit");
  EXPECT_EQ(Count("calls on mappings of unknown effect"), 1u);
}

TEST_F(DrmemtraceStreamTest, OtherFunctionsAreNoCalls) {
  TraceBytes body;
  body.Fetch(kCode).Marker(4, 9).Marker(5, kCode).Marker(6, 1).Marker(4, 9);
  body.Marker(7, kHeap).Marker(4, (uint64_t{1} << 32) + 202).Marker(7, 0);
  EXPECT_EQ(Run(body).Kinds(), "map exit") << "and a result without its call";
}

TEST_F(DrmemtraceStreamTest, WhatLinuxRefusesIsAnErrorOfOneThread) {
  TraceBytes body;
  body.Fetch(kCode).Call(11, {kHeap + 1, 0x3000}, 0).Fetch(kCode);
  EXPECT_EQ(ErrorIn(body).substr(0, 20), "t:204: munmap of 122");
  // After a call of unknown effect it may have been so.
  TraceBytes after;
  after.Fetch(kCode).Marker(25, 9).Fetch(kCode);
  after.Call(11, {kHeap + 1, 0x3000}, 0).Fetch(kCode);
  EXPECT_EQ(Run(after).Kinds(), "map syscall syscall exit");
}

TEST_F(DrmemtraceStreamTest, AccessesGrantWhatAnUnknownCallGave) {
  TraceBytes body;
  body.Fetch(kCode).Call(9, {0, 0x40000, 0, 0x22, ~uint64_t{0}, 0}, kHeap);
  body.Fetch(kCode).Marker(25, 10).Fetch(kCode).Write(kHeap).Write(kHeap + 8);
  const Stream stream = Run(body);
  EXPECT_EQ(stream.Kinds(), "map map syscall protect exit");
  EXPECT_EQ(stream.Count(GuestOpKind::kStore), 2u);
}

// Descriptor 3 is another file behind each open.
TEST_F(DrmemtraceStreamTest, OpensMakeNewFiles) {
  TraceBytes body;
  body.Fetch(kCode);
  for (const uint64_t at : {kHeap, kHeap + 0x100000}) {
    body.Marker(25, 257).Fetch(kCode);
    body.Call(9, {0, 0x1000, 1, 2, 3, 0}, at).Fetch(kCode);
    body.Call(9, {0, 0x1000, 1, 2, 3, 0x1000}, at + 0x1000).Fetch(kCode);
  }
  std::vector<uint32_t> files;
  for (const GuestOp& op : Run(body).ops) {
    if (op.kind == GuestOpKind::kMap) files.push_back(op.file);
  }
  ASSERT_EQ(files.size(), 5u);
  EXPECT_EQ(files[1], files[2]);
  EXPECT_NE(files[2], files[3]);
  EXPECT_EQ(files[3], files[4]);
}

TEST_F(DrmemtraceStreamTest, FilesBesideTheTraceAreMappedFirst) {
  TraceBytes trace;
  trace.Head(6, 7, 7).Time(10).Fetch(kCode).Write(0x612340).Tail(7);
  File("d.dir/trace/a.7.trace", trace.bytes());
  // Bytes of an image may be commas and newlines.
  File("d.dir/raw/modules.log",
       std::string("Module Table: version 5, count 2\nColumns: ...\n"
                   "  0, 0, 0x400000, 0x402000, 0x401000, 0000, 0x0, v#1,4,"
                   ",\n\0, /bin/a\n"
                   "  1, 0, 0x402000, 0x403000, 0x401000, 2000, 0x0, v#1,0,"
                   " /bin/a\n",
                   46 + 67 + 63));
  File("d.dir/trace/v2p.textproto",
       "# text\naddress_mapping_group {\n  page_size: 0x200000\n"
       "  address_mapping {\n    virtual_address: 0x400000\n"
       "    physical_address: 1\n  }\n  address_mapping {\n"
       "    virtual_address: 6291456 # 0x600000\n  }\n"
       "  address_mapping {\n    physical_address: 0x6\n  }\n}\n");
  const auto read = ReadAll({Path("d.dir")});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->at(7).Kinds(), "map map map advise map advise exit");
  EXPECT_EQ(Count("regions of large pages among these"), 2u);
  const std::vector<GuestOp>& ops = read->at(7).ops;
  EXPECT_EQ(ops[0].backing, Backing::kFilePrivate);
  EXPECT_EQ(ops[1].file, ops[0].file);
  EXPECT_EQ(ops[1].file_offset, 0x2000u);
  EXPECT_EQ(ops[4].va.value() + ops[4].length, 0x800000u);
  EXPECT_EQ(ops[5].advice, Advice::kHugePage);
  // Those of another trace are left alone.
  File("d.dir/trace/v2p.textproto",
       "address_mapping_group {\n  page_size: 4096\n  address_mapping {\n"
       "    virtual_address: 0x400000\n  }\n}\n");
  ASSERT_TRUE(ReadAll({Path("d.dir")}).ok());
  EXPECT_EQ(Count("files beside the trace that are of another"), 1u);
  File("d.dir/trace/v2p.textproto", "address_mapping {\n  page_size: 5\n}\n");
  EXPECT_EQ(ErrorOf({Path("d.dir")}),
            "d.dir/trace/v2p.textproto:2: pages of 5 bytes, expected 4096, "
            "2097152 or 1073741824");
}

TEST_F(DrmemtraceStreamTest, AnAddressLimitMovesSegments) {
  TraceBytes trace;
  trace.Head(6, 7, 7).Time(10).Fetch(kCode).Write(0x7ffd12345678).Tail(7);
  const auto read =
      ReadAll({File("t", trace.bytes())}, {.address_limit = 0xc0000000});
  ASSERT_TRUE(read.ok()) << read.status();
  for (const GuestOp& op : read->at(7).ops) {
    if (op.kind != GuestOpKind::kStore) continue;
    EXPECT_EQ(op.va.value(), 0xb2345678u);
  }
  EXPECT_FALSE(ReadAll({Path("t")}, {.address_limit = 5}).ok());
}

TEST_F(DrmemtraceStreamTest, FilteredTracesSayWhatTheyLack) {
  TraceBytes body;
  body.Fetch(kCode);
  Run(body, 6, 0xec4);
  EXPECT_TRUE(Lacks("instructions only"));
  EXPECT_TRUE(Lacks("are filtered out"));
  Run(body, 7, 0x20200);
  EXPECT_TRUE(Lacks("no system calls"));
  EXPECT_TRUE(Lacks("synthetic machine"));
}

// Process 7 forks 8 by name, and executes another program; 9 has no fork.
TEST_F(DrmemtraceStreamTest, ProcessesAreLinkedByResults) {
  TraceBytes first;
  first.Head(6, 7, 7).Time(10).Fetch(kCode).Write(kHeap);
  first.Call(57, {0}, 8).Time(30).Fetch(kCode).Call(61, {8, 0, 0, 0}, 8);
  first.Time(60).Fetch(kCode).Marker(25, 59).Tail(7);
  TraceBytes second;
  second.Head(6, 7, 7).Time(70).Fetch(kCode).Tail(7);
  TraceBytes child;
  child.Head(6, 8, 8).Time(20).Fetch(kCode).Write(kHeap).Tail(8);
  TraceBytes other;
  other.Head(6, 9, 9).Time(40).Fetch(kCode).Tail(9);
  File("drmemtrace.sh.7.1.dir/trace/a.trace", first.bytes());
  File("drmemtrace.ls.7.2.dir/trace/a.trace", second.bytes());
  File("drmemtrace.sh.8.1.dir/trace/a.trace", child.bytes());
  File("drmemtrace.cc.9.1.dir/trace/a.trace", other.bytes());
  const auto read =
      ReadAll({Path("drmemtrace.sh.8.1.dir"), Path("drmemtrace.ls.7.2.dir"),
               Path("drmemtrace.sh.7.1.dir"), Path("drmemtrace.cc.9.1.dir")});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->at(7).Kinds(), "map map fork wait vfork exec map exit");
  EXPECT_EQ(read->at(8).Kinds(), "exit") << "it has its parent's memory";
  EXPECT_EQ(read->at(9).Kinds(), "exec map exit");
  EXPECT_EQ(facts_.command, "sh");
  EXPECT_TRUE(Lacks("1 programs that no fork starts"));
  // One directory holds them all, too.
  File("all/drmemtrace.sh.7.1.dir/trace/a.trace", first.bytes());
  File("all/drmemtrace.sh.8.1.dir/trace/a.trace", child.bytes());
  const auto all = ReadAll({Path("all")});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 2u);
}

}  // namespace
}  // namespace stream_test
}  // namespace xmmu
