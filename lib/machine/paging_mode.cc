#include "xmmu/machine/paging_mode.h"

namespace xmmu {

std::string_view PagingModeName(PagingMode mode) {
  switch (mode) {
    case PagingMode::k2Level:
      return "2-level";
    case PagingMode::kPae:
      return "pae";
    case PagingMode::k4Level:
      return "4-level";
    case PagingMode::k5Level:
      return "5-level";
  }
  return "";
}

std::optional<PagingMode> PagingModeOfLevels(int levels) {
  for (PagingMode mode : kAllPagingModes) {
    if (LevelCount(mode) == levels) return mode;
  }
  return std::nullopt;
}

}  // namespace xmmu
