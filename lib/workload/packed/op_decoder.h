#ifndef XMMU_LIB_WORKLOAD_PACKED_OP_DECODER_H_
#define XMMU_LIB_WORKLOAD_PACKED_OP_DECODER_H_

// The operations of a block out of its columns: what OpEncoder has put there.
// Whatever the columns have in them, it gives operations that can be, or says
// what is wrong. Single-threaded.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "workload/packed/columns.h"
#include "workload/packed/layout.h"
#include "workload/packed/op_encoder.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Operations that are decoded at a time: the first so many of `ops`. Of those
// that are accesses only kind, address and length are written, so the other
// fields stay blank for as long as there are no calls.
struct OpPiece {
  std::vector<GuestOp> ops;
  bool has_calls = false;
};

class OpDecoder {
 public:
  // Takes over the columns of a block.
  explicit OpDecoder(ColumnBytes columns);
  OpDecoder(const OpDecoder&) = delete;
  OpDecoder& operator=(const OpDecoder&) = delete;

  // Writes the next operations to `piece`, as long as there is room for a whole
  // run, and returns how many, or 0 at the end of the block and if something
  // is wrong. REQUIRES: room for kLongestRun; what others have not written is
  // blank.
  size_t Read(OpPiece* piece);

  // What is wrong with the operation behind those that were read, or nothing.
  const char* wrong() const { return wrong_; }
  // Bytes that are kept, about.
  size_t bytes() const;
  // Returns the columns, whose memory may be used again. REQUIRES: nothing is
  // read after it.
  ColumnBytes TakeColumns() { return std::move(columns_); }

 private:
  struct Access {
    uint64_t va;  // of a fetch
    uint32_t length;
    GuestOpKind kind;
  };
  struct Run {
    size_t first;        // of its accesses in accesses_
    size_t count;        // of accesses
    size_t first_data;   // of its places in places_
    size_t data_count;   // of its places
    size_t next;         // the run that followed it last, or kNoRun
    uint64_t fetch_end;  // behind its last fetch, or 0 without one
  };

  // Each returns false with wrong_ set.
  bool NextRun(uint8_t step);
  bool ReadNewRun();
  bool ReadShapes(size_t count, Run* run);
  bool ReadCall(GuestOp* op);
  bool ReadData(const Run& run, GuestOp* ops);
  bool Fail(const char* what) {
    wrong_ = what;
    return false;
  }
  bool AtEnd() const;

  static constexpr size_t kNoRun = ~size_t{0};

  ColumnBytes columns_;
  std::array<ByteCursor, kColumns> cursors_;  // but for the next two
  std::array<UnevenCursor, 2> told_;          // of kNear and kOwn
  std::vector<Run> runs_;
  std::vector<Access> accesses_;
  std::vector<DataPlace> places_;
  size_t last_run_ = kNoRun;
  uint64_t last_fetch_ = 0;
  uint64_t last_data_ = 0;
  uint64_t last_range_ = 0;
  const char* wrong_ = nullptr;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PACKED_OP_DECODER_H_
