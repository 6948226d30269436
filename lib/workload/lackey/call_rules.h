#ifndef XMMU_LIB_WORKLOAD_LACKEY_CALL_RULES_H_
#define XMMU_LIB_WORKLOAD_LACKEY_CALL_RULES_H_

// What Linux refuses of the system calls on mappings (Linux 6.1: mm/mmap.c,
// mm/mprotect.c, mm/madvise.c, mm/mremap.c, ipc/shm.c). A record that says that
// such a call succeeded is damaged or made up, and nothing that comes after it
// in the log can be believed.
//
// A mapping that no call in the log made may be there all the same: exec makes
// some. Each check lets it be where exec can have put it, and nowhere else.
//
// All return OK, or InvalidArgument that names the call, the error Linux would
// have answered, and why. No FILE:LINE. They change nothing.

#include <cstdint>

#include "absl/status/status.h"
#include "workload/lackey/address_map.h"
#include "workload/lackey/process_state.h"
#include "workload/lackey/system_call.h"

namespace xmmu {

// Flags of Linux's include/uapi: mman-common.h, mman.h.
inline constexpr uint64_t kMapTypeMask = 0xf;
inline constexpr uint64_t kMapPrivate = 2;
inline constexpr uint64_t kMapDroppable = 8;  // Linux 6.11
inline constexpr uint64_t kMapFixed = 0x10;
inline constexpr uint64_t kMapAnonymous = 0x20;
inline constexpr uint64_t kMapGrowsDown = 0x100;
inline constexpr uint64_t kMapFixedNoReplace = 0x100000;
inline constexpr uint64_t kMadvDontNeed = 4;
inline constexpr uint64_t kMadvFree = 8;
inline constexpr uint64_t kMadvRemove = 9;
inline constexpr uint64_t kMremapMayMove = 1;
inline constexpr uint64_t kMremapFixed = 2;
inline constexpr uint64_t kMremapDontUnmap = 4;

constexpr uint64_t PageUp(uint64_t va) {
  return (va + kPageOffsetMask) & ~kPageOffsetMask;
}

// `value`: what the call returned.
absl::Status CheckMmap(const SystemCall& call, uint64_t value,
                       const ProcessState& state);
absl::Status CheckMunmap(const SystemCall& call);
absl::Status CheckMprotect(const SystemCall& call, const AddressMap& map);
absl::Status CheckMadvise(const SystemCall& call, const AddressMap& map);
absl::Status CheckBrk(const SystemCall& call, uint64_t value,
                      const ProcessState& state);
// `size`: bytes of the segment.
absl::Status CheckShmat(const SystemCall& call, uint64_t value, uint64_t size,
                        const AddressMap& map);
absl::Status CheckShmdt(const SystemCall& call, const AddressMap& map);

// One mremap, in whole pages.
struct Remapping {
  uint64_t start;
  uint64_t end;
  uint64_t new_start;
  uint64_t new_end;
  bool fixed;
  bool keeps_old;  // MREMAP_DONTUNMAP

  // To fewer pages or as many, where they are: whatever is mapped there.
  bool shrinks() const {
    return new_start == start && new_end - new_start <= end - start;
  }
};
absl::StatusOr<Remapping> CheckMremap(const SystemCall& call, uint64_t value,
                                      const AddressMap& map);
// The rest of the rules, which look at the mapping. REQUIRES: what the first
// page and those of [start, end) have of unknown mappings is in `map`, unless
// it only shrinks.
absl::Status CheckRemapping(const Remapping& remapping, const AddressMap& map);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_CALL_RULES_H_
