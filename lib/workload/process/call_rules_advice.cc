// The rules of madvise, and those of huge pages.

#include "absl/strings/str_cat.h"
#include "workload/process/call_refusal.h"
#include "workload/process/call_rules.h"

namespace xmmu {
namespace {

bool IsLocked(const Region& region) {
  return region.lock == Lock::kNow || region.lock == Lock::kOnFault;
}

bool IsShared(const Region& region) {
  return region.backing == Backing::kFileShared ||
         region.backing == Backing::kSharedAnonymous;
}

}  // namespace

// Source: madvise_behavior_valid; MADV_GUARD_INSTALL and MADV_GUARD_REMOVE came
// with Linux 6.13.
bool IsAdvice(uint64_t advice) {
  constexpr uint64_t kDontNeed = 4;
  constexpr uint64_t kCollapse = 25;
  constexpr uint64_t kHwPoison = 100;
  constexpr uint64_t kGuardRemove = 103;
  return advice <= kDontNeed || (advice >= kMadvFree && advice <= kCollapse) ||
         (advice >= kHwPoison && advice <= kGuardRemove);
}

// Source: madvise_dontneed_free_valid_vma, madvise_free_single_vma,
// madvise_remove, madvise_vma_behavior, madvise_populate.
AdviceRefusal RefusalOfAdvice(uint64_t advice, const Region& region) {
  const bool own = region.backing == Backing::kAnonymous ||
                   region.backing == Backing::kStack;
  switch (advice) {
    case kMadvDontNeed:
      if (IsLocked(region)) return {"EINVAL", "what is locked stays"};
      break;
    case kMadvFree:
      if (!own || region.page_shift != 0) {
        return {"EINVAL", "MADV_FREE is for anonymous memory"};
      }
      if (IsLocked(region)) return {"EINVAL", "what is locked stays"};
      break;
    case kMadvRemove:
      if (own) return {"EINVAL", "MADV_REMOVE is for shared memory"};
      if (!IsShared(region)) {
        return {"EACCES", "MADV_REMOVE is for shared memory"};
      }
      if (IsLocked(region)) return {"EINVAL", "what is locked stays"};
      break;
    case kMadvWipeOnFork:
      if (!own) return {"EINVAL", "MADV_WIPEONFORK is for anonymous memory"};
      break;
    case kMadvPopulateRead:
      if (region.rights == 0) return {"EINVAL", "it may not be read"};
      break;
    case kMadvPopulateWrite:
      if ((region.rights & kMapWrite) == 0) {
        return {"EINVAL", "it may not be written to"};
      }
      break;
    default:
      break;
  }
  return {};
}

absl::Status CheckMadvise(const SystemCall& call, const AddressMap& map) {
  const auto [start, length, wanted, a, b, c] = call.args;
  const uint64_t advice = wanted;  // for the lambda below
  const std::string what = CallOn("madvise", start, length);
  if (!IsAdvice(advice)) {
    return Impossible(
        what, "EINVAL",
        absl::StrCat(static_cast<int64_t>(advice), " is no advice"));
  }
  if (length == 0 && (start & kPageOffsetMask) == 0) return absl::OkStatus();
  absl::Status status = CheckPages("madvise", start, length);
  if (!status.ok()) return status;
  const uint64_t end = PageUp(start + length);
  status = CheckMapped(what, "ENOMEM", start, end, map);
  if (!status.ok()) return status;
  const auto refused = map.FirstWhere(start, end, [&](const Region& region) {
    return !region.inferred && RefusalOfAdvice(advice, region).error != nullptr;
  });
  if (refused == map.end()) return absl::OkStatus();
  const AdviceRefusal refusal = RefusalOfAdvice(advice, refused->second);
  return Impossible(
      what, refusal.error,
      absl::StrCat("at ", AsHex(refused->first), ", ", refusal.why));
}

absl::Status CheckHugeBorders(absl::string_view call, uint64_t start,
                              uint64_t end, const AddressMap& map) {
  for (const uint64_t border : {start, end}) {
    const auto found = map.Find(border);
    if (found == map.end() || found->second.page_shift == 0) continue;
    if ((border & ((uint64_t{1} << found->second.page_shift) - 1)) == 0) {
      continue;
    }
    return Impossible(CallOn(call, start, end - start), "EINVAL",
                      absl::StrCat("a huge page is at ", AsHex(border)));
  }
  return absl::OkStatus();
}

}  // namespace xmmu
