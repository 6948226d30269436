#ifndef XMMU_LIB_BASE_NEAREST_NAME_H_
#define XMMU_LIB_BASE_NEAREST_NAME_H_

// Finds the name that somebody meant who wrote another one.
//
// Any thread.

#include <span>
#include <string_view>

namespace xmmu {

// Returns the one of `known` that is nearest to `given`. That is the one that
// is equal but for case and for '_', '-', '.' and blanks; else the one with the
// fewest letters missing, too many, wrong or swapped with their neighbour, up
// to one for each three letters of `given` (assumed: beyond that it is a
// guess), the first of equals; else the first that begins with `given`. The
// result is empty if there is none; `known` owns it.
std::string_view NearestName(std::string_view given,
                             std::span<const std::string_view> known);

}  // namespace xmmu

#endif  // XMMU_LIB_BASE_NEAREST_NAME_H_
