#include "xmmu/guest/guest_options.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace xmmu {
namespace {

template <typename Enum>
struct NamedOption {
  Enum value;
  std::string_view name;
  std::string_view help;
};

constexpr std::array<NamedOption<GuestOps>, 5> kOps = {{
    {GuestOps::kStores, "stores",
     "plain stores to L1 tables; L2 and above by mmu_update"},
    {GuestOps::kUpdateVaMapping, "update-va-mapping",
     "one update_va_mapping each in the current address space (Linux 2.6.12)"},
    {GuestOps::kQueue, "queue",
     "mmu_update through a queue of 2048 (Linux 2.4)"},
    {GuestOps::kMulticall, "multicall",
     "mmu_update in batches of 31, multicalls (as pvops batches)"},
    {GuestOps::kPvops, "pvops",
     "mmu_update to set, emulated instructions to clear (Linux 6.1)"},
}};

constexpr std::array<NamedOption<PinWhen>, 3> kPins = {{
    {PinWhen::kEarly, "early", "each table when it is allocated (Linux 2.4)"},
    {PinWhen::kLate, "late", "the whole tree at its first use (Linux 2.6.12)"},
    {PinWhen::kNever, "never", "read-only as with late, never pinned"},
}};

template <typename Enum, size_t N>
const NamedOption<Enum>& RowOf(const std::array<NamedOption<Enum>, N>& rows,
                               Enum value) {
  return rows[static_cast<size_t>(value)];
}

template <typename Enum, size_t N>
std::optional<Enum> Parse(const std::array<NamedOption<Enum>, N>& rows,
                          std::string_view name) {
  for (const NamedOption<Enum>& row : rows) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

}  // namespace

GuestOptions DefaultGuestOptions(const GuestAbi& abi, PagingMode mode) {
  GuestOptions options;
  const bool modern = LevelCount(mode) >= 4;
  options.fault_around_pages = modern ? 16 : 1;
  options.flush_ceiling_pages = modern ? 33 : 0;
  options.recent_mm = modern;
  if (!abi.paravirtual || abi.stores_to_l1) return options;
  switch (mode) {
    case PagingMode::k2Level:
      options.ops = GuestOps::kQueue;
      options.pin = PinWhen::kEarly;
      break;
    case PagingMode::kPae:
      options.ops = GuestOps::kUpdateVaMapping;
      break;
    case PagingMode::k4Level:
    case PagingMode::k5Level:
      options.ops = GuestOps::kMulticall;
      break;
  }
  return options;
}

absl::Status CheckGuestOptions(const GuestAbi& abi,
                               const GuestOptions& options) {
  const bool stores = options.ops == GuestOps::kStores;
  if (stores && !abi.stores_to_l1) {
    return absl::InvalidArgumentError(
        "guest-ops stores: this policy takes no plain stores to page tables; "
        "expected update-va-mapping, queue or multicall");
  }
  if (options.ops == GuestOps::kPvops && abi.paravirtual && !abi.stores_to_l1) {
    return absl::InvalidArgumentError(
        "guest-ops pvops: it clears and write-protects entries by plain "
        "instructions, which this policy does not take; expected "
        "update-va-mapping, queue or multicall");
  }
  if (!stores && !abi.paravirtual) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "guest-ops %s: there is no hypervisor to call; expected stores",
        GuestOpsName(options.ops)));
  }
  if (options.share_file_pages && !abi.paravirtual) {
    return absl::InvalidArgumentError(
        "share-file-pages: there is no hypervisor to call; expected a "
        "paravirtual policy");
  }
  const int window = options.fault_around_pages;
  if (window < 1 || window > 512 || (window & (window - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("fault-around of ", window,
                     " pages: expected a power of two from 1 to 512"));
  }
  if (options.quantum_ops == 0) {
    return absl::InvalidArgumentError(
        "quantum of 0 operations: expected at least 1");
  }
  return absl::OkStatus();
}

std::string_view GuestOpsName(GuestOps ops) { return RowOf(kOps, ops).name; }
std::string_view GuestOpsHelp(GuestOps ops) { return RowOf(kOps, ops).help; }
std::optional<GuestOps> ParseGuestOps(std::string_view name) {
  return Parse(kOps, name);
}
std::span<const GuestOps> AllGuestOps() {
  static constexpr std::array kAll = {
      GuestOps::kStores, GuestOps::kUpdateVaMapping, GuestOps::kQueue,
      GuestOps::kMulticall, GuestOps::kPvops};
  return kAll;
}

std::string_view PinWhenName(PinWhen pin) { return RowOf(kPins, pin).name; }
std::string_view PinWhenHelp(PinWhen pin) { return RowOf(kPins, pin).help; }
std::optional<PinWhen> ParsePinWhen(std::string_view name) {
  return Parse(kPins, name);
}
std::span<const PinWhen> AllPinWhen() {
  static constexpr std::array kAll = {PinWhen::kEarly, PinWhen::kLate,
                                      PinWhen::kNever};
  return kAll;
}

}  // namespace xmmu
