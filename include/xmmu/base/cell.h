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

// A number with a fraction. `decimals` is how many digits of it a line of CSV
// has; JSON has all that it takes to read the same number again.
struct Real {
  double value = 0;
  int decimals = 0;
  bool operator==(const Real&) const = default;
};

// One value. std::monostate is a value that does not exist here, such as the
// price of what a machine has not: an empty cell of CSV, null in JSON.
using Cell =
    std::variant<std::monostate, bool, uint64_t, int64_t, Real, std::string>;

}  // namespace xmmu

#endif  // XMMU_BASE_CELL_H_
