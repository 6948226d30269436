#ifndef XMMU_LIB_WORKLOAD_PROCESS_PROCESS_STATE_H_
#define XMMU_LIB_WORKLOAD_PROCESS_PROCESS_STATE_H_

// What the reader knows about one recorded process at one point of its log. A
// value: a fork copies it.

#include <cstdint>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/string_view.h"
#include "workload/process/address_map.h"

namespace xmmu {

// The identity of a file in the stream, which must be the same in every run:
// 32-bit FNV-1a (RFC 9923, "The FNV Non-Cryptographic Hash Algorithm").
constexpr uint32_t FileIdentity(absl::string_view name) {
  uint32_t hash = 0x811c9dc5;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193;
  }
  return hash;
}

struct ProcessState {
  ProcessState(uint64_t address_limit, const ImageLayout& layout)
      : map(address_limit, layout) {}

  // A descriptor of something that was opened by a path, or of a memfd. Other
  // descriptors, as those of pipes, are not in the table.
  struct Descriptor {
    uint32_t file = 0;
    // Which kOpenFile of the process it is of: copies are of one.
    uint64_t opening = 0;
    bool close_on_exec = false;
    bool zero_filled = false;  // MapFlags
    bool dev_zero = false;     // /dev/zero: its mappings are anonymous
    bool drops = false;        // /dev/null, /dev/zero: a write reads nothing
    uint8_t page_shift = 0;    // of its mappings (MFD_HUGETLB), else 0
    std::string path;          // against which names are looked up
  };
  // A System V segment.
  struct Segment {
    uint64_t bytes = 0;      // at least
    bool made = false;       // this process saw it made, so it has no more
    bool removed = false;    // shmctl with IPC_RMID
    bool held = false;       // the stream holds it open, as it is removed
    uint8_t page_shift = 0;  // of SHM_HUGETLB, else 0
  };

  AddressMap map;
  uint64_t brk = 0;        // 0: not yet known
  uint64_t brk_start = 0;  // the first break known of this program
  // Shared anonymous mappings, memfds and files without a name made so far,
  // each of which is an object of its own.
  uint64_t objects = 0;
  uint64_t openings = 0;  // kOpenFile so far
  // Opens of which the recording does not say what file they opened: what a
  // descriptor stands for may be another file since.
  uint64_t unknown_opens = 0;
  Lock future_lock = Lock::kNone;  // of later mappings (MCL_FUTURE)
  // Where the kernel writes a child's id at the child's start
  // (CLONE_CHILD_SETTID), or 0.
  uint64_t child_id = 0;
  std::string directory;  // against which names are looked up, if known
  // Paths whose file is not that of the path itself: it was renamed, or made
  // again while the old one is still open.
  absl::btree_map<std::string, uint32_t> names;
  uint32_t program = 0;  // identity of the program's file
  absl::btree_map<uint64_t, Descriptor> descriptors;
  absl::btree_map<uint64_t, Segment> segments;  // by identifier
  absl::btree_set<TaskId> children;  // forked and not known to be waited for
  uint64_t unnamed_waits = 0;        // waits for a child that no record names
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_PROCESS_STATE_H_
