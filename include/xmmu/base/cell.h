#ifndef XMMU_BASE_CELL_H_
#define XMMU_BASE_CELL_H_

// One value of a result or of an option, before anybody decides how it is
// shown.
//
// Plain values; any thread.

#include <cstdint>
#include <string>
#include <variant>

namespace xmmu {

// A number with a fraction. A line of CSV has `decimals` digits of it; JSON has
// as many as it takes to read the same number again.
struct Real {
  double value = 0;
  int decimals = 0;
  bool operator==(const Real&) const = default;
};

// One value. std::monostate is a value that does not exist here, such as the
// price of something that a machine lacks. It is an empty cell in CSV and null
// in JSON.
using Cell =
    std::variant<std::monostate, bool, uint64_t, int64_t, Real, std::string>;

}  // namespace xmmu

#endif  // XMMU_BASE_CELL_H_
