#ifndef XMMU_LIB_WORKLOAD_PACKED_COLUMNS_H_
#define XMMU_LIB_WORKLOAD_PACKED_COLUMNS_H_

// The bytes of a block are columns: what is alike stands together, so that zstd
// finds it, and each is compressed by itself. Single-threaded.

#include <zstd.h>

#include <array>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace xmmu {

enum Column : size_t {
  kSteps,   // what comes next: BlockStep
  kKnown,   // which run that was before
  kCounts,  // of a new run: how many accesses
  kStarts,  // of a new run: where its first fetch is
  kShapes,  // of a new run: an access each, its kind and length
  kWays,    // of an access that is no fetch: AddressWay
  kNear,    // addresses by their distance from the access before
  kOwn,     // addresses by their distance from what the run had there last
  kCalls,   // operations that are no accesses
  kColumns
};

// What the next operations of a block are.
enum BlockStep : uint8_t {
  kExpectedRun,  // the run that followed the last one before
  kKnownRun,     // another one that was before
  kNewRun,
  kCall,  // one operation that is no access
};

// How the address of an access that is no fetch is told.
enum AddressWay : uint8_t {
  // As far from the access before it as the last time that the run was here.
  kSameDistance,
  // As far from where the run was here last as that was from the time before.
  kSameStride,
  kByNear,
  kByOwn,
};

// In kShapes the length is above the number of the kind, or 0: then it follows.
inline constexpr int kShapeKindBits = 2;
inline constexpr uint64_t kLongestShapeLength = 63;

// A run has so many accesses at most, or so many as long as none is a fetch.
inline constexpr size_t kLongestRun = 255;
inline constexpr size_t kLongestRunOfData = 8;

using ColumnBytes = std::array<std::string, kColumns>;

// Bytes of 0 that OpDecoder puts behind columns of addresses: numbers of a run
// that are not there take one each, the last may be read with the 7 behind it.
inline constexpr size_t kBehindColumn = kLongestRun + 16;

// Compresses and decompresses columns. The frames and buffers of zstd are kept
// from one block to the next.
class ColumnPacker {
 public:
  ColumnPacker() : context_(ZSTD_createCCtx(), &ZSTD_freeCCtx) {}

  // Returns the columns as the data of a block, or nothing when there is no
  // memory for it.
  bool Pack(const ColumnBytes& columns, std::string* out);

 private:
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context_;
  std::string packed_;
};

class ColumnUnpacker {
 public:
  ColumnUnpacker() : context_(ZSTD_createDCtx(), &ZSTD_freeDCtx) {}

  // Decompresses the data of a block to columns that have `total` bytes in all;
  // what was in them before is lost, and its memory used again. Returns nothing,
  // or what is wrong.
  const char* Unpack(absl::string_view data, size_t total,
                     ColumnBytes* columns);

 private:
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PACKED_COLUMNS_H_
