#include "xmmu/report/records.h"

#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace xmmu {
namespace {

// One overload for each alternative of Cell, for std::visit.
struct ToText {
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(bool truth) const { return truth ? "1" : "0"; }
  std::string operator()(uint64_t number) const { return absl::StrCat(number); }
  std::string operator()(int64_t number) const { return absl::StrCat(number); }
  std::string operator()(const Real& real) const {
    return absl::StrFormat("%.*f", real.decimals, real.value);
  }
  std::string operator()(const std::string& text) const { return text; }
};

}  // namespace

std::string CellText(const Cell& cell) { return std::visit(ToText(), cell); }

}  // namespace xmmu
