#ifndef XMMU_LIB_WORKLOAD_LACKEY_CALL_FORM_H_
#define XMMU_LIB_WORKLOAD_LACKEY_CALL_FORM_H_

// How Valgrind prints the x86-64 system calls that the reader interprets. The
// name beside a number shows which architecture's number it is.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace xmmu {

struct CallForm {
  uint16_t number;               // Linux x86-64
  absl::string_view name;        // as Valgrind prints it
  absl::string_view other_name;  // in other versions, or empty
  // How many arguments are printed at least and at most. With kNoList the text
  // of the arguments does not matter.
  uint8_t least;
  uint8_t most;
};

inline constexpr uint8_t kNoList = 255;

// Returns null for calls that the reader does not interpret.
const CallForm* FindCallForm(uint64_t number);

// Checks that `name` can stand beside `number` in the log of an x86-64 program.
// Returns an empty text, or what is wrong and what was expected.
std::string CheckCallName(uint64_t number, absl::string_view name);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_CALL_FORM_H_
