#ifndef XMMU_TESTS_WORKLOAD_PACKED_SMALL_STREAMS_H_
#define XMMU_TESTS_WORKLOAD_PACKED_SMALL_STREAMS_H_

// Streams that have all that a packed trace can hold.

#include <cstdint>
#include <vector>

#include "workload/packed/packed_support.h"

namespace xmmu {

// Mappings with each field that a mapping has.
inline void AppendMaps(std::vector<GuestOp>& ops) {
  using enum GuestOpKind;
  ops.push_back({.kind = kMap,
                 .rights = 5,
                 .backing = Backing::kFilePrivate,
                 .flags = kMapPopulate | kCallGoesOn,
                 .page_shift = 21,
                 .va = VirtAddr(0x400000),
                 .length = 0x200000,
                 .file = 9,
                 .file_offset = 0x1000});
  ops.push_back({.kind = kMap,
                 .rights = 3,
                 .backing = Backing::kStack,
                 .va = VirtAddr(0x7FFFFFFDE000),
                 .length = 0x21000});
}

// Runs of accesses whose addresses come again, go up and down, or are new.
inline void AppendAccesses(std::vector<GuestOp>& ops) {
  using enum GuestOpKind;
  for (uint64_t round = 0; round < 20; ++round) {
    ops.push_back({.kind = kFetch, .va = VirtAddr(0x400100), .length = 3});
    ops.push_back({.kind = kFetch, .va = VirtAddr(0x400103), .length = 70});
    ops.push_back({.kind = kLoad,
                   .va = VirtAddr(0x7FFFFFFFE000 - 8 * round),
                   .length = 8});
    ops.push_back({.kind = kStore,
                   .va = VirtAddr(0x500000 + 4 * round * round),
                   .length = 512});
    if (round % 3 == 1) {
      ops.push_back({.kind = kFetch,
                     .va = VirtAddr(0x400000 + 0x1000 * round),
                     .length = 1});
      ops.push_back(
          {.kind = kModify, .va = VirtAddr(0x7FFFFFFFD000), .length = 4});
    }
  }
}

// Each operation on a range, with each field that it has.
inline void AppendRanges(std::vector<GuestOp>& ops) {
  using enum GuestOpKind;
  const auto range = [&](GuestOpKind kind) -> GuestOp& {
    return ops.emplace_back(
        GuestOp{.kind = kind, .va = VirtAddr(0x600000), .length = 0x3000});
  };
  range(kProtect).rights = kMapRead;
  range(kAdvise).advice = Advice::kUnlock;
  GuestOp& moved = range(kRemap);
  moved.target = VirtAddr(0x700000);
  moved.new_length = 0x5000;
  for (const GuestOpKind kind : {kUnmap, kDiscard, kCopyIn, kCopyOut, kExec}) {
    range(kind).flags = kind == kCopyIn ? kCallGoesOn : 0;
  }
}

// Each operation on a file, on a task, and on nothing.
inline void AppendTheRest(std::vector<GuestOp>& ops) {
  using enum GuestOpKind;
  for (const GuestOpKind kind : {kOpenFile, kCloseFile, kRemoveFile}) {
    ops.push_back({.kind = kind, .file = 0xFFFFFFFF});
  }
  ops.push_back({.kind = kFork, .child = 8});
  ops.push_back({.kind = kClone, .child = 4000000000});
  ops.push_back({.kind = kAwait, .length = 2, .child = 8});
  ops.push_back({.kind = kWait, .child = 0});
  for (const GuestOpKind kind : {kYield, kSyscall, kPost, kExit}) {
    ops.push_back({.kind = kind});
  }
}

// Two processes and a thread that have each kind of operation, each field and
// each way of telling an address.
inline Streams SmallStreams() {
  using enum GuestOpKind;
  Streams streams;
  AppendMaps(streams[7]);
  AppendAccesses(streams[7]);
  AppendRanges(streams[7]);
  AppendTheRest(streams[7]);
  streams[8] = {{.kind = kPost}, {.kind = kVfork, .child = 9}, {.kind = kExit}};
  streams[9] = {{.kind = kExit}};
  // Accesses without a fetch, and one in the last bytes of the address space.
  streams[4000000000] = {
      {.kind = kLoad, .va = VirtAddr(~uint64_t{0}), .length = 1},
      {.kind = kStore, .va = VirtAddr(0), .length = 65535},
      {.kind = kFetch, .va = VirtAddr(~uint64_t{0} - 3), .length = 4},
      {.kind = kFetch, .va = VirtAddr(0), .length = 1},
      {.kind = kExit}};
  return streams;
}

}  // namespace xmmu

#endif  // XMMU_TESTS_WORKLOAD_PACKED_SMALL_STREAMS_H_
