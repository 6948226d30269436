// libFuzzer target: guest programs whose bytes a fuzzer picks by the code that
// they reach, in lockstep with bare hardware. Stops at the first difference.
//
//   cmake --preset fuzz && cmake --build --preset fuzz
//   build/fuzz/tests/fuzz/conformance_fuzz -max_len=600 NEW_DIR \
//     tests/fuzz/corpus_conformance

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "fuzz/conformance_input.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string wrong =
      xmmu::RunConformanceInput({data, size}, /*check_every=*/8);
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
  }
  return 0;
}
