// libFuzzer target: process trees, as logs, whose choices are a fuzzer's bytes.
// Stops where strategies differ or a record that cannot be is believed.
//
//   cmake --preset fuzz && cmake --build --preset fuzz
//   build/fuzz/tests/fuzz/tree_fuzz -max_len=2000 NEW_DIR

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "sim/tree_check.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() /
      ("tree-fuzz-" + std::to_string(getpid()));
  std::filesystem::create_directories(directory);
  xmmu::Choices choices(std::span<const uint8_t>(data, size));
  const std::string wrong = choices.OneIn(4)
                                ? xmmu::CheckImpossibleTree(choices, directory)
                                : xmmu::CheckTree(choices, directory);
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\nlogs: %s\n", wrong.c_str(), directory.c_str());
    std::abort();
  }
  std::filesystem::remove_all(directory);
  return 0;
}
