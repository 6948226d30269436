#ifndef XMMU_LIB_WORKLOAD_LACKEY_CALL_FORM_H_
#define XMMU_LIB_WORKLOAD_LACKEY_CALL_FORM_H_

// How Valgrind prints the x86-64 system calls that the reader tells from the
// rest: the name beside the number says whose number it is.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace xmmu {

struct CallForm {
  uint16_t number;               // Linux x86-64
  absl::string_view name;        // as Valgrind prints it
  absl::string_view other_name;  // in other versions, or empty
  // Arguments that are printed; without a list, their text does not matter.
  uint8_t least;
  uint8_t most;
};

inline constexpr uint8_t kNoList = 255;

// Null for calls that the reader does not tell from the rest.
const CallForm* FindCallForm(uint64_t number);

// Whether `name` can be printed beside `number` in the log of an x86-64
// program. If not, what is wrong and what was expected; else empty.
std::string CheckCallName(uint64_t number, absl::string_view name);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_CALL_FORM_H_
