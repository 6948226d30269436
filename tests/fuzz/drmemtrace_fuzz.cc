// libFuzzer target: files of drmemtrace and of ChampSim, in any container, and
// the files that lie beside traces. What is read is read to its end as a
// workload, each task.
//
// The first byte chooses: 0 the input is a trace; 1 it is a v2p.textproto; 2 it
// is a modules.log; else its two halves are the files of two threads.
//
//   cmake --preset fuzz && cmake --build --preset fuzz
//   build/fuzz/tests/fuzz/drmemtrace_fuzz -max_len=4000 NEW_DIR \
//     tests/fuzz/corpus_drmemtrace

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "workload/drmemtrace/known_mappings.h"
#include "xmmu/workload/trace.h"

namespace {

// An error is one line that names a file; anything else is none.
void Check(const absl::Status& status, const std::string& directory) {
  const std::string message(status.message());
  if (status.ok()) return;
  if (message.find('\n') == std::string::npos && message.find(directory) == 0) {
    return;
  }
  std::fprintf(stderr, "no error of the file's: %s\n", message.c_str());
  std::abort();
}

bool IsFork(xmmu::GuestOpKind kind) {
  return kind == xmmu::GuestOpKind::kFork || kind == xmmu::GuestOpKind::kVfork;
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
        if (IsFork(op.kind)) tasks.push_back(op.child);
      }
    }
  }
  trace.facts();
  return absl::OkStatus();
}

std::string Put(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path.string();
}

void ReadTrace(const std::vector<std::string>& files,
               const std::string& directory) {
  for (const uint64_t limit : {uint64_t{0}, uint64_t{0xc0000000}}) {
    const auto trace = xmmu::OpenTrace(files, {.address_limit = limit});
    Check(trace.status(), directory);
    if (trace.ok()) Check(ReadAll(**trace), directory);
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path directory =
      std::filesystem::temp_directory_path() /
      ("drmemtrace-fuzz-" + std::to_string(getpid()));
  if (size < 2) return 0;
  std::filesystem::create_directories(directory);
  const std::string bytes(data + 1, data + size);
  if (data[0] == 1) {
    const std::string path = Put(directory / "v2p.textproto", bytes);
    Check(xmmu::ReadV2p(path).status(), directory);
  } else if (data[0] == 2) {
    const std::string path = Put(directory / "modules.log", bytes);
    Check(xmmu::ReadModules(path).status(), directory);
  } else if (data[0] == 0) {
    ReadTrace({Put(directory / "trace", bytes)}, directory);
  } else {
    const size_t half = bytes.size() / 2;
    ReadTrace({Put(directory / "one", std::string_view(bytes).substr(0, half)),
               Put(directory / "two", std::string_view(bytes).substr(half))},
              directory);
  }
  std::filesystem::remove_all(directory);
  return 0;
}
