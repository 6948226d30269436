#ifndef XMMU_LIB_WORKLOAD_PACKED_OP_ENCODER_H_
#define XMMU_LIB_WORKLOAD_PACKED_OP_ENCODER_H_

// The operations of a block as columns. A block says all that its decoding
// needs, so that any block can be read first. Single-threaded.
//
// Programs run the same instructions again and again, so a block has a
// dictionary of runs: accesses in order, of which each fetch is right behind
// the one before, as a processor fetches up to the next taken branch. A run is
// its first fetch's address and the kind and length of each access. What
// changes from one time to the next is where loads and stores go. Each place of
// a run remembers that of itself (DataPlace).

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "workload/packed/columns.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// What is known of an access of a run that is no fetch. All zero at first.
struct DataPlace {
  uint64_t last = 0;  // its address, the last time
  // By AddressWay, the last time: the distance to it from the access before it,
  // and the stride to it from the time before.
  std::array<uint64_t, 2> known{};

  // `before` is the address of the access before it that is no fetch.
  void Note(uint64_t address, uint64_t before) {
    known[kSameStride] = address - last;
    last = address;
    known[kSameDistance] = address - before;
  }
};

class OpEncoder {
 public:
  void Add(const GuestOp& op);

  uint32_t operations() const { return operations_; }
  // Bytes that are kept, about.
  size_t bytes() const;
  // Bytes that the columns have so far, at most.
  size_t column_bytes() const;

  // Ends the block. REQUIRES: nothing is added after it.
  const ColumnBytes& Finish();

 private:
  // An access, without the address of what is no fetch.
  struct Shape {
    GuestOpKind kind;
    uint16_t length;
    bool operator==(const Shape&) const = default;
  };
  struct Run {
    uint64_t start = 0;     // address of its first fetch, or 0
    size_t first = 0;       // of its accesses in shapes_
    size_t count = 0;       // of accesses
    size_t first_data = 0;  // of its places in places_
    size_t next = 0;        // the run that followed it last, or kNoRun
  };

  // Ends the run that is being collected, if there is one.
  void EndRun();
  bool IsCollected(size_t run) const;
  size_t FindOrAdd();
  void AddRun();
  void PutAddresses(const Run& run);
  void PutCall(const GuestOp& op);
  void PutByte(Column column, uint64_t byte) {
    columns_[column].push_back(static_cast<char>(byte));
  }

  static constexpr size_t kNoRun = ~size_t{0};

  ColumnBytes columns_;
  std::vector<Run> runs_;
  std::vector<Shape> shapes_;
  std::vector<DataPlace> places_;
  // By what IsCollected() compares, as bytes.
  absl::flat_hash_map<std::string, size_t> numbers_;
  // The run that is being collected.
  std::vector<Shape> collected_;
  std::vector<uint64_t> addresses_;  // of its loads and stores
  uint64_t start_ = 0;               // of its first fetch
  uint64_t next_fetch_ = 0;          // behind its last fetch
  bool fetched_ = false;             // whether it has one
  size_t last_run_ = kNoRun;
  uint64_t last_fetch_ = 0;  // end of the last run's last fetch
  uint64_t last_data_ = 0;   // address of the last load or store
  uint64_t last_range_ = 0;  // address of the last operation that is neither
  uint32_t operations_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PACKED_OP_ENCODER_H_
