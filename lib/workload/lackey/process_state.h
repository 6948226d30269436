#ifndef XMMU_LIB_WORKLOAD_LACKEY_PROCESS_STATE_H_
#define XMMU_LIB_WORKLOAD_LACKEY_PROCESS_STATE_H_

// What the reader knows about one recorded process at one point of its log. A
// value: a fork copies it.

#include <cstdint>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/string_view.h"
#include "workload/lackey/address_map.h"

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
  explicit ProcessState(uint64_t address_limit) : map(address_limit) {}

  // A descriptor that names a file. Other descriptors, as those of pipes, are
  // not in the table.
  struct Descriptor {
    uint32_t file = 0;
    bool close_on_exec = false;
  };

  AddressMap map;
  uint64_t brk = 0;        // 0: not yet known
  uint64_t brk_start = 0;  // the first break known of this program
  // Shared anonymous mappings made so far, each of which is an object of its
  // own.
  uint64_t shared_objects = 0;
  uint32_t program = 0;  // identity of the program's file
  absl::btree_map<uint64_t, Descriptor> descriptors;
  absl::btree_map<uint64_t, uint64_t> shared_memory;  // shmget id -> bytes
  absl::btree_set<TaskId> children;  // forked and not known to be waited for
  uint64_t unnamed_waits = 0;        // waits for a child that no record names
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_PROCESS_STATE_H_
