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
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/trace_reading.h"
#include "workload/drmemtrace/known_mappings.h"
#include "xmmu/workload/trace.h"

namespace {

std::string Put(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path.string();
}

void ReadTrace(const std::vector<std::string>& files,
               const std::string& directory) {
  for (const uint64_t limit : {uint64_t{0}, uint64_t{0xc0000000}}) {
    const auto trace = xmmu::OpenTrace(files, {.address_limit = limit});
    xmmu::CheckError(trace.status(), directory);
    if (trace.ok()) xmmu::CheckError(xmmu::ReadToTheEnd(**trace), directory);
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
    xmmu::CheckError(xmmu::ReadV2p(path).status(), directory);
  } else if (data[0] == 2) {
    const std::string path = Put(directory / "modules.log", bytes);
    xmmu::CheckError(xmmu::ReadModules(path).status(), directory);
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
