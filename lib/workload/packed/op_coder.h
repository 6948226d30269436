#ifndef XMMU_LIB_WORKLOAD_PACKED_OP_CODER_H_
#define XMMU_LIB_WORKLOAD_PACKED_OP_CODER_H_

// The operations of a block as bytes, before they are compressed. A block says
// all that its decoding needs, so that any block can be read first.
// Single-threaded.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "workload/packed/layout.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

class OpEncoder {
 public:
  void Add(const GuestOp& op);

  uint32_t operations() const { return operations_; }
  // Bytes that are kept.
  size_t bytes() const { return bytes_.size(); }

  // Ends the block: returns its bytes, valid until the next Add().
  absl::string_view Finish();
  // Begins the next block.
  void Clear();

 private:
  std::string bytes_;
  uint64_t last_ = 0;  // address
  uint32_t operations_ = 0;
};

class OpDecoder {
 public:
  // Begins the block `bytes`, which the decoder takes over. Returns nothing, or
  // what is wrong with it.
  const char* Begin(std::string bytes);

  // Appends the next `count` operations. Returns nothing, or what is wrong with
  // the next one.
  const char* Read(size_t count, std::vector<GuestOp>* ops);

  // Whether all bytes have been used, as they must be behind the last
  // operation.
  bool at_end() const { return cursor_.left() == 0 && !cursor_.failed(); }

 private:
  std::string bytes_;
  ByteCursor cursor_{{}};
  uint64_t last_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PACKED_OP_CODER_H_
