// libFuzzer target: logs of Valgrind's Lackey as text. The input is the logs of
// one recording, one behind the other, with a line "%%" between them. What is
// read is read to its end as a workload, each task.
//
//   cmake --preset fuzz && cmake --build --preset fuzz
//   build/fuzz/tests/fuzz/lackey_fuzz -max_len=4000 NEW_DIR \
//     tests/fuzz/corpus_lackey

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/trace_reading.h"
#include "xmmu/workload/lackey_trace.h"

namespace {

constexpr std::string_view kBetweenLogs = "%%\n";

// Writes each log to a file of its own and returns their paths.
std::vector<std::string> WriteLogs(const std::filesystem::path& directory,
                                   std::string_view text) {
  std::vector<std::string> files;
  for (bool more = true; more;) {
    const size_t end = text.find(kBetweenLogs);
    more = end != text.npos;
    files.push_back(directory / ("log." + std::to_string(files.size())));
    std::ofstream(files.back(), std::ios::binary) << text.substr(0, end);
    if (more) text.remove_prefix(end + kBetweenLogs.size());
  }
  return files;
}

void ReadLogs(const std::vector<std::string>& files,
              const xmmu::TraceOptions& options, const std::string& directory) {
  const auto trace = xmmu::OpenLackeyTrace(files, options);
  xmmu::CheckError(trace.status(), directory);
  if (trace.ok()) {
    xmmu::CheckError(xmmu::ReadToTheEnd(**trace), directory);
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path directory =
      std::filesystem::temp_directory_path() /
      ("lackey-fuzz-" + std::to_string(getpid()));
  std::filesystem::create_directories(directory);
  const std::vector<std::string> files =
      WriteLogs(directory, {reinterpret_cast<const char*>(data), size});
  ReadLogs(files, {}, directory);
  ReadLogs(files, {.address_limit = 0xC0000000, .fetches = false}, directory);
  std::filesystem::remove_all(directory);
  return 0;
}
