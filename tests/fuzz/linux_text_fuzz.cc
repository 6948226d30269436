// libFuzzer target: texts of Linux's tracing and files of xentrace. What is
// read is read to its end as a workload, each task, and counted.
//
//   cmake --preset fuzz && cmake --build --preset fuzz
//   build/fuzz/tests/fuzz/linux_text_fuzz -max_len=4000 NEW_DIR \
//     tests/fuzz/corpus_linux_text

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "workload/linux_text/text_summary.h"
#include "workload/xentrace/xentrace_counts.h"
#include "workload/xentrace/xentrace_merger.h"
#include "xmmu/workload/trace.h"

namespace {

// An error is one line that names the file; anything else is none.
void Check(const absl::Status& status, const std::string& path) {
  const std::string message(status.message());
  if (status.ok()) return;
  if (message.find('\n') == std::string::npos &&
      message.find(path + ":") == 0) {
    return;
  }
  std::fprintf(stderr, "no error of the file's: %s\n", message.c_str());
  std::abort();
}

// Reads all tasks to their ends.
absl::Status ReadAll(xmmu::Trace& trace) {
  std::vector<xmmu::TaskId> tasks = {trace.first_task()};
  for (size_t i = 0; i < tasks.size(); ++i) {
    for (bool ended = false; !ended;) {
      const auto ops = trace.Next(tasks[i]);
      if (!ops.ok()) return ops.status();
      if (ops->empty()) std::abort();
      for (const xmmu::GuestOp& op : *ops) {
        if (ended) std::abort();
        ended = op.kind == xmmu::GuestOpKind::kExit;
        if (xmmu::StartsTask(op.kind)) tasks.push_back(op.child);
      }
    }
  }
  trace.facts();
  return absl::OkStatus();
}

void ReadText(const std::string& path, uint64_t address_limit) {
  const auto trace = xmmu::OpenTrace({path}, {.address_limit = address_limit});
  if (!trace.ok()) return Check(trace.status(), path);
  Check(ReadAll(**trace), path);
}

void ReadXentrace(const std::string& path) {
  Check(xmmu::SummarizeXentrace(path, {}).status(), path);
  auto merger = xmmu::XentraceMerger::Open(path);
  if (!merger.ok()) return Check(merger.status(), path);
  for (;;) {
    const auto record = merger->Next();
    if (!record.ok()) return Check(record.status(), path);
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
  Check(xmmu::SummarizeLinuxText(path).status(), path);
  ReadXentrace(path);
  std::filesystem::remove(path);
  return 0;
}
