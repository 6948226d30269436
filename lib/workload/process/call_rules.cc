#include "workload/process/call_rules.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "workload/process/call_refusal.h"
#include "workload/process/image_layout.h"

namespace xmmu {
namespace {

constexpr uint64_t kProtWrite = 2;
// PROT_READ, PROT_WRITE, PROT_EXEC, PROT_SEM, PROT_GROWSDOWN and PROT_GROWSUP
// (arch_validate_prot; do_mprotect_pkey removes the last two first).
constexpr uint64_t kProtKnown = 0x300000f;
constexpr uint64_t kProtGrows = 0x3000000;
constexpr uint64_t kMapTypeShared = 1;
constexpr uint64_t kMapTypeSharedValidate = 3;
constexpr uint64_t kShmRound = 020000;
constexpr uint64_t kShmRemap = 040000;

// Checks that no call has mapped anything in [start, end), and that no stack is
// known there. Other inferred regions do not count, since they may reach
// further than the real mapping did.
absl::Status CheckFree(absl::string_view what, absl::string_view error,
                       uint64_t start, uint64_t end, const AddressMap& map) {
  const auto logged = map.FirstLogged(start, end);
  if (logged != map.end()) {
    return Impossible(
        what, error,
        absl::StrCat(AsHex(logged->first), "-", AsHex(logged->second.end),
                     " is mapped there"));
  }
  const uint64_t top = map.layout().stack_top;
  const auto stack = map.Find(std::max(start, std::min(end, top) - 1));
  if (stack != map.end() && stack->second.inferred &&
      stack->second.backing == Backing::kStack) {
    return Impossible(what, error, "the stack is there");
  }
  return absl::OkStatus();
}

// Checks the rules of do_mmap and its callers that need no look at the
// mappings.
absl::Status CheckMmapFlags(absl::string_view what, const SystemCall& call) {
  const auto [hint, length, rights, flags, descriptor, offset] = call.args;
  const uint64_t type = flags & kMapTypeMask;
  const bool shared = type == kMapTypeShared || type == kMapTypeSharedValidate;
  if (!shared && type != kMapPrivate && type != kMapDroppable) {
    return Impossible(what, "EINVAL", "it is neither shared nor private");
  }
  if (shared && (flags & kMapGrowsDown) != 0) {
    return Impossible(what, "EINVAL", "a shared mapping does not grow");
  }
  if ((offset & kPageOffsetMask) != 0) {
    return Impossible(what, "EINVAL", "the offset is no multiple of 4096");
  }
  const bool anonymous = (flags & kMapAnonymous) != 0;
  if (!anonymous && static_cast<int32_t>(descriptor) < 0) {
    return Impossible(what, "EBADF", "there is no such descriptor");
  }
  if (!anonymous && offset + PageUp(length) < offset) {
    return Impossible(what, "EOVERFLOW", "the file's offsets end there");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckMmap(const SystemCall& call, uint64_t value,
                       uint8_t page_shift, const ProcessState& state) {
  const auto [hint, length, rights, flags, descriptor, offset] = call.args;
  absl::Status status = CheckPages("mmap", value, length);
  if (!status.ok()) return status;
  const std::string what = CallOn("mmap", value, length);
  status = CheckMmapFlags(what, call);
  if (!status.ok()) return status;
  if (page_shift != 0 && page_shift != 21 && page_shift != 30) {
    return Impossible(what, "EINVAL", "x86-64 has pages of 2 MiB and of 1 GiB");
  }
  const uint64_t page = uint64_t{1} << std::max<int>(page_shift, kPageShift);
  if ((value | offset) % page != 0) {
    return Impossible(what, "EINVAL", "it is not on the border of a huge page");
  }
  const bool replaces =
      (flags & kMapFixed) != 0 && (flags & kMapFixedNoReplace) == 0;
  if (replaces && value != hint) {
    return Impossible(what, AsHex(hint), "MAP_FIXED maps there or fails");
  }
  // Whether the file was opened for what the mapping allows is not checked: the
  // replay needs only which file it is.
  if (replaces) return absl::OkStatus();
  return CheckFree(what,
                   value == hint ? "EEXIST or another place" : "another place",
                   value, value + (length + page - 1) / page * page, state.map);
}

absl::Status CheckMunmap(const SystemCall& call) {
  return CheckPages("munmap", call.args[0], call.args[1]);
}

absl::Status CheckMprotect(const SystemCall& call, const AddressMap& map) {
  const auto [start, length, rights, a, b, c] = call.args;
  const std::string what = CallOn("mprotect", start, length);
  if ((rights & ~kProtKnown) != 0 || (rights & kProtGrows) == kProtGrows) {
    return Impossible(what, "EINVAL",
                      absl::StrCat(AsHex(rights), " are no rights"));
  }
  if (length == 0 && (start & kPageOffsetMask) == 0) return absl::OkStatus();
  absl::Status status = CheckPages("mprotect", start, length);
  if (!status.ok()) return status;
  const uint64_t end = PageUp(start + length);
  status = CheckMapped(what, "ENOMEM", start, end, map);
  if (!status.ok() || (rights & kProtWrite) == 0) return status;
  for (auto it = map.FirstLogged(start, end);
       it != map.end() && it->first < end; ++it) {
    if (!it->second.never_writable) continue;
    return Impossible(what, "EACCES",
                      absl::StrCat("what is shared at ", AsHex(it->first),
                                   " may only be read"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Remapping> CheckMremap(const SystemCall& call, uint64_t value,
                                      const AddressMap& map) {
  const auto [start, length, new_length, flags, target, b] = call.args;
  const bool moves = (flags & kMremapMayMove) != 0;
  const bool fixed = (flags & kMremapFixed) != 0;
  const bool keeps_old = (flags & kMremapDontUnmap) != 0;
  absl::Status status = CheckPages("mremap", value, new_length);
  // An old length of 0 asks for a second mapping of shared pages
  // (vma_to_resize).
  status.Update(CheckPages("mremap", start, std::max(length, kPageSize)));
  if (!status.ok()) return status;
  const std::string what = absl::StrCat(CallOn("mremap", start, length), " to ",
                                        new_length, " bytes at ", AsHex(value));
  const Remapping remapping{start, PageUp(start + length),
                            value, PageUp(value + new_length),
                            fixed, keeps_old};
  constexpr uint64_t kKnown = kMremapMayMove | kMremapFixed | kMremapDontUnmap;
  if ((flags & ~kKnown) != 0 || ((fixed || keeps_old) && !moves)) {
    return Impossible(
        what, "EINVAL",
        absl::StrCat("flags ", AsHex(flags), " do not go together"));
  }
  const uint64_t old_size = remapping.end - start;
  const uint64_t new_size = remapping.new_end - value;
  if (keeps_old && old_size != new_size) {
    return Impossible(what, "EINVAL", "MREMAP_DONTUNMAP keeps the size");
  }
  if (fixed && value != target) {
    return Impossible(what, AsHex(target), "MREMAP_FIXED moves there or fails");
  }
  // A shrinking mremap may unmap holes, too; any other needs all pages mapped.
  const uint64_t seen = remapping.shrinks() ? start : remapping.end;
  status = CheckMapped(what, "EFAULT", start, std::max(seen, start + kPageSize),
                       map);
  if (!status.ok()) return status;
  if (value == start && !fixed && !keeps_old) return remapping;
  if (!fixed && !keeps_old && old_size >= new_size) {
    return Impossible(what, AsHex(start), "what does not grow stays in place");
  }
  if (!moves) return Impossible(what, "ENOMEM", "it may not move");
  if (start < remapping.new_end && value < std::max(remapping.end, start + 1)) {
    return Impossible(what, fixed ? "EINVAL" : "another place",
                      "the ranges overlap");
  }
  if (!fixed) {
    status = CheckFree(what, "another place", value, remapping.new_end, map);
    if (!status.ok()) return status;
  }
  return remapping;
}

absl::Status CheckRemapping(const Remapping& remapping, const AddressMap& map) {
  const auto [start, end, new_start, new_end, fixed, keeps_old] = remapping;
  const std::string what =
      absl::StrCat(CallOn("mremap", start, end - start), " to ",
                   new_end - new_start, " bytes at ", AsHex(new_start));
  const auto found = map.Find(start);
  if (found == map.end()) {
    return Impossible(what, "EFAULT",
                      absl::StrCat("nothing is mapped at ", AsHex(start)));
  }
  if (remapping.shrinks()) return absl::OkStatus();
  const Region& region = found->second;
  const bool shared = region.backing == Backing::kFileShared ||
                      region.backing == Backing::kSharedAnonymous;
  if (start == end && !shared) {
    return Impossible(what, "EINVAL", "a private mapping is not doubled");
  }
  if (end > region.end) {
    return Impossible(what, "EFAULT",
                      absl::StrCat("the mapping ends at ", AsHex(region.end)));
  }
  if (new_start != start) return absl::OkStatus();
  // Growing in place needs room behind the mapping's end (vma_expandable).
  if (end != region.end || start == end) {
    return Impossible(
        what, "another place or ENOMEM",
        absl::StrCat("the mapping goes on to ", AsHex(region.end)));
  }
  return CheckFree(what, "another place or ENOMEM", end, new_end, map);
}

absl::Status CheckBrk(const SystemCall& call, uint64_t value,
                      const ProcessState& state) {
  const uint64_t wanted = call.args[0];
  const std::string what =
      absl::StrCat("brk to ", AsHex(wanted), " that returned ", AsHex(value));
  if (value == 0 || value > kTaskEnd) {
    return Impossible(what, "the old break", "no program's memory is there");
  }
  if (state.brk == 0 || value == state.brk) return absl::OkStatus();
  // A brk(0) that only asks is believed: the break may have moved in a call
  // whose record a signal cut short.
  if (wanted != 0 && value != wanted) {
    return Impossible(what, AsHex(state.brk),
                      "the break goes where it was wanted or stays");
  }
  if (value < state.brk_start) {
    return Impossible(
        what, AsHex(state.brk),
        absl::StrCat("the heap starts at ", AsHex(state.brk_start)));
  }
  const uint64_t old_end = PageUp(state.brk);
  const uint64_t new_end = PageUp(value);
  if (new_end <= old_end) return absl::OkStatus();
  // The stack need not be known yet; its top page is always there.
  const uint64_t top = state.map.layout().stack_top;
  if (old_end < top && new_end > top - kPageSize) {
    return Impossible(what, AsHex(state.brk), "the stack is in the way");
  }
  return CheckFree(what, AsHex(state.brk), old_end, new_end, state.map);
}

absl::Status CheckShmat(const SystemCall& call, uint64_t value, uint64_t size,
                        const AddressMap& map) {
  const auto [id, address, flags, a, b, c] = call.args;
  const absl::Status status = CheckPages("shmat", value, size);
  if (!status.ok()) return status;
  const std::string what = CallOn("shmat", value, size);
  const bool rounds = (flags & kShmRound) != 0;
  const uint64_t wanted = rounds ? address & ~kPageOffsetMask : address;
  if (wanted != 0 && wanted != value) {
    return Impossible(what, AsHex(wanted), "it is attached there or fails");
  }
  if ((flags & kShmRemap) != 0) return absl::OkStatus();
  return CheckFree(what, wanted != 0 ? "EINVAL" : "another place", value,
                   PageUp(value + size), map);
}

// Source: ksys_shmdt, which looks for the first piece from the address on.
absl::Status CheckShmdt(const SystemCall& call, const AddressMap& map) {
  const uint64_t address = call.args[0];
  const std::string what = absl::StrCat("shmdt at ", AsHex(address));
  if ((address & kPageOffsetMask) != 0) {
    return Impossible(what, "EINVAL", "it is no page's address");
  }
  // An inferred region may be part of a segment that was attached unseen.
  const auto found = map.Find(address);
  if (found != map.end() && found->second.inferred) return absl::OkStatus();
  if (FirstPiece(map, address) != map.end()) return absl::OkStatus();
  if (found != map.end() && found->second.attached) {
    return Impossible(what, "EINVAL", "no segment begins there");
  }
  return Impossible(what, "EINVAL", "nothing is attached there");
}

AddressMap::Regions::const_iterator FirstPiece(const AddressMap& map,
                                               uint64_t address) {
  return NextPiece(map, address, address, std::nullopt);
}

AddressMap::Regions::const_iterator NextPiece(const AddressMap& map,
                                              uint64_t address, uint64_t from,
                                              std::optional<uint32_t> file) {
  const auto may_be = [&](const Region& region) {
    return region.attached && region.file == file.value_or(region.file);
  };
  for (;;) {
    const auto piece = map.FirstWhere(from, kTaskEnd, may_be);
    if (piece == map.end() || piece->second.offset == piece->first - address) {
      return piece;
    }
    from = piece->second.end;
  }
}

}  // namespace xmmu
