// libFuzzer target: texts of Linux's tracing and files of xentrace. What is
// read is read to its end as a workload, each task, and counted.
//
//   cmake --preset fuzz && cmake --build --preset fuzz
//   build/fuzz/tests/fuzz/linux_text_fuzz -max_len=4000 NEW_DIR \
//     tests/fuzz/corpus_linux_text

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "fuzz/trace_reading.h"
#include "workload/linux_text/text_summary.h"
#include "workload/xentrace/xentrace_counts.h"
#include "workload/xentrace/xentrace_merger.h"
#include "xmmu/workload/trace.h"

namespace {

void ReadText(const std::string& path, uint64_t address_limit) {
  const auto trace = xmmu::OpenTrace({path}, {.address_limit = address_limit});
  if (!trace.ok()) return xmmu::CheckError(trace.status(), path);
  xmmu::CheckError(xmmu::ReadToTheEnd(**trace), path);
}

void ReadXentrace(const std::string& path) {
  xmmu::CheckError(xmmu::SummarizeXentrace(path, {}).status(), path);
  auto merger = xmmu::XentraceMerger::Open(path);
  if (!merger.ok()) return xmmu::CheckError(merger.status(), path);
  for (;;) {
    const auto record = merger->Next();
    if (!record.ok()) return xmmu::CheckError(record.status(), path);
    if (!record->has_value()) return;
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path =
      std::filesystem::temp_directory_path() /
      ("linux-text-fuzz-" + std::to_string(getpid()));
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data),
             static_cast<std::streamsize>(size));
  ReadText(path, 0);
  ReadText(path, uint64_t{3} << 30);
  xmmu::CheckError(xmmu::SummarizeLinuxText(path).status(), path);
  ReadXentrace(path);
  std::filesystem::remove(path);
  return 0;
}
