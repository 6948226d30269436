#ifndef XMMU_LIB_WORKLOAD_PROCESS_CALL_RULES_H_
#define XMMU_LIB_WORKLOAD_PROCESS_CALL_RULES_H_

// The rules by which Linux refuses system calls on mappings (Linux 6.1:
// mm/mmap.c, mm/mprotect.c, mm/madvise.c, mm/mremap.c, ipc/shm.c). A record
// that says that such a call succeeded is damaged or made up, and nothing that
// comes after it in the log can be believed.
//
// A mapping can exist that no call in the log made, as exec makes some. Each
// check accepts such a mapping where exec can have put it, and nowhere else.
//
// All checks return OK, or InvalidArgument that names the call, the error that
// Linux would have answered, and why; the caller adds FILE:LINE. They change
// nothing.

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "workload/process/address_map.h"
#include "workload/process/image_layout.h"
#include "workload/process/process_state.h"
#include "workload/process/system_call.h"

namespace xmmu {

// Flags of Linux's include/uapi: mman-common.h, mman.h.
inline constexpr uint64_t kMapTypeMask = 0xf;
inline constexpr uint64_t kMapPrivate = 2;
inline constexpr uint64_t kMapDroppable = 8;  // Linux 6.11
inline constexpr uint64_t kMapFixed = 0x10;
inline constexpr uint64_t kMapAnonymous = 0x20;
inline constexpr uint64_t kMapGrowsDown = 0x100;
inline constexpr uint64_t kMapLockedFlag = 0x2000;
inline constexpr uint64_t kMapPopulateFlag = 0x8000;
inline constexpr uint64_t kMapNonBlock = 0x10000;
inline constexpr uint64_t kMapHugetlb = 0x40000;
inline constexpr uint64_t kMapFixedNoReplace = 0x100000;
inline constexpr uint64_t kMadvNormal = 0;
inline constexpr uint64_t kMadvRandom = 1;
inline constexpr uint64_t kMadvSequential = 2;
inline constexpr uint64_t kMadvDontNeed = 4;
inline constexpr uint64_t kMadvFree = 8;
inline constexpr uint64_t kMadvRemove = 9;
inline constexpr uint64_t kMadvDontFork = 10;
inline constexpr uint64_t kMadvDoFork = 11;
inline constexpr uint64_t kMadvMergeable = 12;
inline constexpr uint64_t kMadvUnmergeable = 13;
inline constexpr uint64_t kMadvHugePage = 14;
inline constexpr uint64_t kMadvNoHugePage = 15;
inline constexpr uint64_t kMadvDontDump = 16;
inline constexpr uint64_t kMadvDoDump = 17;
inline constexpr uint64_t kMadvWipeOnFork = 18;
inline constexpr uint64_t kMadvKeepOnFork = 19;
inline constexpr uint64_t kMadvPopulateRead = 22;
inline constexpr uint64_t kMadvPopulateWrite = 23;
inline constexpr uint64_t kMadvDontNeedLocked = 24;
inline constexpr uint64_t kMremapMayMove = 1;
inline constexpr uint64_t kMremapFixed = 2;
inline constexpr uint64_t kMremapDontUnmap = 4;

// The log2 of the size of a huge page that the flags of mmap, memfd_create or
// shmget name in their upper bits; 21 if they name none.
constexpr uint8_t HugeShift(uint64_t flags) {
  const auto shift = static_cast<uint8_t>(flags >> 26 & 0x3f);
  return shift == 0 ? 21 : shift;
}

// Whether a kernel knows the advice.
bool IsAdvice(uint64_t advice);
// Why madvise refuses an advice for a mapping; `error` is null if it does not.
struct AdviceRefusal {
  const char* error = nullptr;  // e.g. "EINVAL"
  const char* why = nullptr;
};
// REQUIRES: `region` was made by a call.
AdviceRefusal RefusalOfAdvice(uint64_t advice, const Region& region);

constexpr uint64_t PageUp(uint64_t va) {
  return (va + kPageOffsetMask) & ~kPageOffsetMask;
}

// Whether [start, start + length) is a range of user space, and not empty.
constexpr bool IsRange(uint64_t start, uint64_t length) {
  return start < kTaskEnd && length > 0 && length <= kTaskEnd - start;
}

// `value` is what the call returned.
// `page_shift` is that of huge pages, or 0.
absl::Status CheckMmap(const SystemCall& call, uint64_t value,
                       uint8_t page_shift, const ProcessState& state);
absl::Status CheckMunmap(const SystemCall& call);
absl::Status CheckMprotect(const SystemCall& call, const AddressMap& map);
absl::Status CheckMadvise(const SystemCall& call, const AddressMap& map);
absl::Status CheckBrk(const SystemCall& call, uint64_t value,
                      const ProcessState& state);
// Checks that neither border of [start, end) cuts a page of MAP_HUGETLB
// (hugetlb_vm_op_split).
absl::Status CheckHugeBorders(absl::string_view call, uint64_t start,
                              uint64_t end, const AddressMap& map);
// `size` is the bytes of the segment.
absl::Status CheckShmat(const SystemCall& call, uint64_t value, uint64_t size,
                        const AddressMap& map);
absl::Status CheckShmdt(const SystemCall& call, const AddressMap& map);
// Returns the lowest piece of the segment that was attached at `address`, or
// end().
AddressMap::Regions::const_iterator FirstPiece(const AddressMap& map,
                                               uint64_t address);
// Returns the lowest one from `from` on, of the segment `file` if it is given.
AddressMap::Regions::const_iterator NextPiece(const AddressMap& map,
                                              uint64_t address, uint64_t from,
                                              std::optional<uint32_t> file);

// One mremap, in whole pages.
struct Remapping {
  uint64_t start;
  uint64_t end;
  uint64_t new_start;
  uint64_t new_end;
  bool fixed;      // MREMAP_FIXED
  bool keeps_old;  // MREMAP_DONTUNMAP

  // Whether pages only go away at the end: then several mappings may be there.
  bool shrinks() const {
    return new_start == start && new_end - new_start <= end - start;
  }
};
// Checks the arguments and the result of an mremap, and returns them in pages.
absl::StatusOr<Remapping> CheckMremap(const SystemCall& call, uint64_t value,
                                      const AddressMap& map);
// Checks the rules that look at the mapping itself. REQUIRES: `map` has a
// region, inferred if need be, for the first page and, unless the remapping
// shrinks, for all of [start, end).
absl::Status CheckRemapping(const Remapping& remapping, const AddressMap& map);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_CALL_RULES_H_
