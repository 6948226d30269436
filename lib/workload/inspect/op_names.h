#ifndef XMMU_LIB_WORKLOAD_INSPECT_OP_NAMES_H_
#define XMMU_LIB_WORKLOAD_INSPECT_OP_NAMES_H_

// What operations and their fields are called where people read or write them:
// "fetch", "map", "copy-in"; "file-shared"; "huge-page".
//
// Any thread.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "xmmu/workload/workload.h"

namespace xmmu {

struct OpKindRow {
  GuestOpKind kind;
  std::string_view name;
  std::string_view help;  // what it counts, as a plural
};

// All kinds of operations, in the order of GuestOpKind.
std::span<const OpKindRow> OpKindRows();
std::string_view OpKindName(GuestOpKind kind);
std::optional<GuestOpKind> ParseOpKind(std::string_view name);

// Whether operations of this kind are counted: not those that only keep an
// order.
constexpr bool IsCounted(GuestOpKind kind) {
  return kind != GuestOpKind::kPost && kind != GuestOpKind::kAwait;
}

struct BackingRow {
  Backing backing;
  std::string_view name;
  std::string_view help;
};

// All backings of mappings, in the order of Backing.
std::span<const BackingRow> BackingRows();
std::string_view BackingName(Backing backing);

// "r-x".
std::string RightsText(uint8_t rights);

// Linux's name of what is said of memory: "MADV_HUGEPAGE", "mlock".
std::string_view AdviceName(Advice advice);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_OP_NAMES_H_
