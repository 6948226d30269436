#include "workload/process/call_refusal.h"

#include "absl/strings/str_cat.h"
#include "workload/process/image_layout.h"

namespace xmmu {
namespace {

// Whether exec can have mapped something in the hole [start, end). That may be
// where the program and its interpreter are, at the top of the stack, and
// beside parts of other images that accesses have shown.
bool ExecMayHaveMapped(const AddressMap& map, uint64_t start, uint64_t end) {
  if (map.MeetsUnmapped(start, end)) return false;
  const ImageLayout& layout = map.layout();
  if (start >= kLowestMapping && end <= layout.images_end) return true;
  if (start + kStackLimit >= layout.stack_top && end <= layout.stack_top) {
    return true;
  }
  const auto inferred = [&](uint64_t va) {
    const auto region = map.Find(va);
    return region != map.end() && region->second.inferred;
  };
  return end - start <= kLargestImage && (inferred(start - 1) || inferred(end));
}

}  // namespace

std::string AsHex(uint64_t va) { return absl::StrCat("0x", absl::Hex(va)); }

absl::Status Impossible(absl::string_view what, absl::string_view error,
                        absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      what, " cannot have succeeded, expected ", error, ": ", why));
}

std::string CallOn(absl::string_view call, uint64_t start, uint64_t length) {
  return absl::StrCat(call, " of ", length, " bytes at ", AsHex(start));
}

absl::Status CheckPages(absl::string_view call, uint64_t start,
                        uint64_t length) {
  if ((start & kPageOffsetMask) == 0 && start < kTaskEnd && length > 0 &&
      length <= kTaskEnd - start) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      CallOn(call, start, length),
      " cannot have succeeded, expected whole pages below ", AsHex(kTaskEnd)));
}

absl::Status CheckMapped(absl::string_view what, absl::string_view error,
                         uint64_t start, uint64_t end, const AddressMap& map) {
  // A range that a call mapped in part has no holes for exec to fill: no call
  // maps half of an image.
  const bool logged = map.FirstLogged(start, end) != map.end();
  for (auto hole = map.FirstHole(start, end); hole.has_value();) {
    const uint64_t hole_end = map.Hole(*hole, *hole, end).end;
    if (logged || !ExecMayHaveMapped(map, *hole, hole_end)) {
      return Impossible(what, error,
                        absl::StrCat("nothing is mapped at ", AsHex(*hole)));
    }
    hole = map.FirstHole(hole_end, end);
  }
  return absl::OkStatus();
}

}  // namespace xmmu
