#ifndef XMMU_LIB_BASE_ENUM_NAMES_H_
#define XMMU_LIB_BASE_ENUM_NAMES_H_

// The names of an enum's values: one table, from which XName(), XHelp(),
// ParseX() and AllX() are a line each.
//
//   constexpr EnumNames<Colour, 2> kColours({{
//       {Colour::kRed, "red", "the colour of errors"},
//       {Colour::kBlue, "blue", "the colour of the sky"},
//   }});
//
// Plain values; any thread.

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "xmmu/base/check.h"

namespace xmmu {

template <typename Enum>
struct EnumName {
  Enum value;
  std::string_view name;
  std::string_view help = {};  // one line
};

// REQUIRES: a row for each value, in the order of the values, which begin at 0.
template <typename Enum, size_t N>
class EnumNames {
 public:
  explicit constexpr EnumNames(const std::array<EnumName<Enum>, N>& rows)
      : rows_(rows) {
    for (size_t i = 0; i < N; ++i) {
      XMMU_CHECK(static_cast<size_t>(rows[i].value) == i);
      values_[i] = rows[i].value;
    }
  }

  constexpr std::string_view Name(Enum value) const { return Row(value).name; }
  constexpr std::string_view Help(Enum value) const { return Row(value).help; }
  // Returns the value with exactly that name, if there is one.
  constexpr std::optional<Enum> Parse(std::string_view name) const {
    for (const EnumName<Enum>& row : rows_) {
      if (row.name == name) return row.value;
    }
    return std::nullopt;
  }
  // All values, in order; they live as long as the table.
  constexpr std::span<const Enum> All() const { return values_; }

 private:
  constexpr const EnumName<Enum>& Row(Enum value) const {
    return rows_[static_cast<size_t>(value)];
  }

  std::array<EnumName<Enum>, N> rows_;
  std::array<Enum, N> values_{};
};

}  // namespace xmmu

#endif  // XMMU_LIB_BASE_ENUM_NAMES_H_
