#include "xmmu/guest/guest_options.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/enum_names.h"
#include "guest/kernel_traits.h"

namespace xmmu {
namespace {

constexpr EnumNames<GuestOps, 9> kOps({{
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
    {GuestOps::kLinux24, "linux-2.4",
     "Linux 2.4 on Xen 1 and 2: one queue for all but faults; pins early"},
    {GuestOps::kLinux269, "linux-2.6.9",
     "Linux 2.6.9 on Xen 2.0: stores but for faults; pins early"},
    {GuestOps::kLinux2612, "linux-2.6.12",
     "Linux 2.6.12 on Xen 3.0: update_va_mapping to set, stores to clear"},
    {GuestOps::kLinux2618, "linux-2.6.18",
     "Linux 2.6.18 on Xen 3.1: update_va_mapping also to write-protect at "
     "fork"},
}});

constexpr EnumNames<PinWhen, 3> kPins({{
    {PinWhen::kEarly, "early", "each table when it is allocated (Linux 2.4)"},
    {PinWhen::kLate, "late", "the whole tree at its first use (Linux 2.6.12)"},
    {PinWhen::kNever, "never", "read-only as with late, never pinned"},
}});

constexpr EnumNames<Thp, 3> kThps({{
    {Thp::kNever, "never", "no large pages for anonymous memory"},
    {Thp::kMadvise, "madvise", "large pages where MADV_HUGEPAGE asks for them"},
    {Thp::kAlways, "always", "large pages unless MADV_NOHUGEPAGE forbids them"},
}});

constexpr EnumNames<Reclaim, 2> kReclaims({{
    {Reclaim::kNone, "none", "running out of memory is an error"},
    {Reclaim::kCleanFile, "clean-file",
     "clean pages of files are dropped, least recently mapped first"},
}});

}  // namespace

GuestOptions DefaultGuestOptions(const GuestAbi& abi, PagingMode mode) {
  GuestOptions options;
  const bool modern = LevelCount(mode) >= 4;
  options.fault_around_pages = modern ? 16 : 1;
  options.flush_ceiling_pages = modern ? 33 : 0;
  options.recent_mm = modern;
  options.thp = options.digest_thp = modern ? Thp::kMadvise : Thp::kNever;
  if (!abi.paravirtual) return options;
  if (abi.stores_to_l1) {
    // Xen 3.0 opened tables to stores, and later versions emulate them. For
    // 64-bit guests pvops stands for 2.6.18 too, which it replaced.
    const GuestOps emulated = modern ? GuestOps::kPvops : GuestOps::kLinux2618;
    options.ops = abi.stores_trap ? emulated : GuestOps::kLinux2612;
    return options;
  }
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
        "expected update-va-mapping, queue, multicall or linux-2.4");
  }
  if (TraitsOf(options.ops).needs_stores() && abi.paravirtual &&
      !abi.stores_to_l1) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "guest-ops %s: it changes some entries by plain instructions, which "
        "this policy does not take; expected update-va-mapping, queue, "
        "multicall or linux-2.4",
        GuestOpsName(options.ops)));
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
  if (options.digest_thp < options.thp) {
    return absl::InvalidArgumentError(
        absl::StrFormat("digest-thp %s: expected no less than thp, %s",
                        ThpName(options.digest_thp), ThpName(options.thp)));
  }
  if (options.quantum_ops == 0) {
    return absl::InvalidArgumentError(
        "quantum of 0 operations: expected at least 1");
  }
  return absl::OkStatus();
}

bool IsLinuxOfATime(GuestOps ops) { return ops >= GuestOps::kLinux24; }

std::string_view GuestOpsName(GuestOps ops) { return kOps.Name(ops); }
std::string_view GuestOpsHelp(GuestOps ops) { return kOps.Help(ops); }
std::optional<GuestOps> ParseGuestOps(std::string_view name) {
  return kOps.Parse(name);
}
std::span<const GuestOps> AllGuestOps() { return kOps.All(); }

std::string_view PinWhenName(PinWhen pin) { return kPins.Name(pin); }
std::string_view PinWhenHelp(PinWhen pin) { return kPins.Help(pin); }
std::optional<PinWhen> ParsePinWhen(std::string_view name) {
  return kPins.Parse(name);
}
std::span<const PinWhen> AllPinWhen() { return kPins.All(); }

std::string_view ThpName(Thp thp) { return kThps.Name(thp); }
std::string_view ThpHelp(Thp thp) { return kThps.Help(thp); }
std::optional<Thp> ParseThp(std::string_view name) { return kThps.Parse(name); }
std::span<const Thp> AllThp() { return kThps.All(); }

std::string_view ReclaimName(Reclaim reclaim) {
  return kReclaims.Name(reclaim);
}
std::string_view ReclaimHelp(Reclaim reclaim) {
  return kReclaims.Help(reclaim);
}
std::optional<Reclaim> ParseReclaim(std::string_view name) {
  return kReclaims.Parse(name);
}
std::span<const Reclaim> AllReclaim() { return kReclaims.All(); }

}  // namespace xmmu
