#include "workload/foreign_file.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace xmmu {
namespace {

struct ForeignRow {
  absl::string_view start;
  absl::string_view what;
};

// Where each magic number is from stands beside it.
constexpr ForeignRow kForeign[] = {
    // Linux, tools/perf/util/header.c, __perf_magic2.
    {"PERFILE2",
     "a perf.data of Linux's perf, expected what perf script prints "
     "of it"},
    // trace-cmd, Documentation/trace-cmd/trace-cmd.dat.v6.5.txt.
    {"\x17\x08\x44tracing",
     "a trace.dat of trace-cmd, expected what trace-cmd report prints of it"},
    // pcap-savefile(5) of libpcap: in microseconds or nanoseconds, in either
    // order of bytes; and pcapng.
    {"\xd4\xc3\xb2\xa1", "packets captured by pcap"},
    {"\xa1\xb2\xc3\xd4", "packets captured by pcap"},
    {"\x4d\x3c\xb2\xa1", "packets captured by pcap"},
    {"\xa1\xb2\x3c\x4d", "packets captured by pcap"},
    {"\x0a\x0d\x0d\x0a", "packets captured by pcapng"},
    // elf(5).
    {"\x7f"
     "ELF",
     "an ELF file: a program, a library or a core dump"},
    // gem5, src/proto/protoio.hh, ProtoStream::magicNumber.
    {"gem5", "a trace of gem5's"},
    // git-lfs, docs/spec.md.
    {"version https://git-lfs.github.com/spec/",
     "a pointer of Git LFS, expected the file that git lfs pull fetches"},
    {"<!DOCTYPE", "a page of the Web"},
    {"<!doctype", "a page of the Web"},
    {"<html", "a page of the Web"},
    {"SQLite format 3", "a database of SQLite"},
    {"7z\xbc\xaf\x27\x1c", "an archive of 7-Zip, expected what is in it"},
    {"Rar!", "an archive of RAR, expected what is in it"},
    {"{\n", "JSON, such as a report"},
};

// tar(5): "ustar" stands at this offset.
constexpr size_t kTarMagic = 257;

// A line of strace (strace -f has the process in front).
bool IsStrace(absl::string_view text) {
  const size_t begin = text.find_first_not_of("0123456789 ");
  return begin != absl::string_view::npos &&
         absl::StartsWith(text.substr(begin), "execve(\"");
}

// "0x7f0000: R 0x7ffd00": source/tools/SimpleExamples/pinatrace.cpp of Pin.
bool IsPinatrace(absl::string_view text) {
  if (!absl::StartsWith(text, "0x")) return false;
  const absl::string_view line = text.substr(0, text.find('\n'));
  return absl::StrContains(line, ": R 0x") || absl::StrContains(line, ": W 0x");
}

}  // namespace

std::string ForeignFile(const TraceSample& sample) {
  const absl::string_view content = sample.content;
  for (const ForeignRow& row : kForeign) {
    if (absl::StartsWith(content, row.start)) {
      return absl::StrCat("is ", row.what);
    }
  }
  if (content.size() > kTarMagic &&
      absl::StartsWith(content.substr(kTarMagic), "ustar")) {
    return "is an archive of tar, expected the files that are in it";
  }
  if (IsStrace(content)) return "is what strace prints, without accesses";
  if (IsPinatrace(content)) return "is a log of Pin's pinatrace";
  return "";
}

}  // namespace xmmu
