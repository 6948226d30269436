#ifndef XMMU_LIB_WORKLOAD_QEMU_BLOCK_TABLE_H_
#define XMMU_LIB_WORKLOAD_QEMU_BLOCK_TABLE_H_

// The translation blocks of one program of a spool: what is executed when a
// thread file names a block's number. Single-threaded while it is read;
// afterwards any thread may look blocks up.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workload/qemu/spool_file.h"

namespace xmmu {

struct Block {
  uint64_t pc = 0;     // of the first instruction
  uint64_t bytes = 0;  // of all instructions
  // The length of each instruction in bytes, in order.
  const uint8_t* lengths = nullptr;
  unsigned instructions = 0;
};

class BlockTable {
 public:
  // Reads PID.GEN.blocks. A child that was forked has the blocks of `parent`,
  // too: its own numbers go on from there. Null for a program of its own.
  //
  // Errors: InvalidArgument, `FILE:OFFSET: what`, for a file that cannot be
  // read, a number that does not rise, and a block that is none.
  static absl::StatusOr<std::shared_ptr<const BlockTable>> Read(
      const std::string& path, std::shared_ptr<const BlockTable> parent);

  // Returns the block of that number, or one without instructions.
  Block Find(uint64_t id) const;

  // Whether the program may have run blocks that it could not write any more.
  bool cut() const { return cut_ || (parent_ != nullptr && parent_->cut()); }

  const std::string& path() const { return path_; }

 private:
  struct Entry {
    uint64_t pc;
    uint64_t lengths;  // where they begin in lengths_
    uint32_t bytes;
    uint32_t instructions;
  };

  // Reads the next block. Returns false at the end.
  absl::StatusOr<bool> ReadBlock(SpoolFile& file);

  std::string path_;
  std::shared_ptr<const BlockTable> parent_;
  uint64_t first_ = 1;  // the number of entries_[0]
  bool cut_ = false;
  std::vector<Entry> entries_;
  std::vector<uint8_t> lengths_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_BLOCK_TABLE_H_
