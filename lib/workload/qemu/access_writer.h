#ifndef XMMU_LIB_WORKLOAD_QEMU_ACCESS_WRITER_H_
#define XMMU_LIB_WORKLOAD_QEMU_ACCESS_WRITER_H_

// Turns the blocks and accesses of a process's threads into fetches, loads,
// stores and modifies, and gives these and the operations of calls to a sink.
// Single-threaded.

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "workload/process/op_writer.h"
#include "workload/qemu/block_table.h"
#include "workload/qemu/op_sink.h"
#include "workload/qemu/spool_facts.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

class AccessWriter {
 public:
  // All three outlive the object; `map` knows what is mapped.
  AccessWriter(OpWriter& map, OpSink& sink, SpoolCounts& counts);

  // What follows is of `task`.
  absl::Status Turn(TaskId task);

  // The task executes a block, from its first instruction on.
  absl::Status BeginBlock(const Block& block);
  // It has left the block: the instructions that are left were executed.
  void EndBlock();
  bool in_block() const { return block_.instructions != 0; }

  // Takes words that are accesses, up to the first that is none, which it
  // returns. Those that are not the block's are left out: as QEMU delivers a
  // signal it loads from descriptor tables, and its plug-in interface names for
  // these accesses an instruction that ran before (QEMU 7.2, linux-user/i386/
  // signal.c, setup_rt_frame, and accel/tcg/user-exec.c, which ask for the
  // callbacks in CPUState::plugin_mem_cbs).
  //
  // Errors: those of the sink, and of the look-up of mappings.
  absl::StatusOr<const uint64_t*> Accesses(const uint64_t* at,
                                           const uint64_t* end);

  // Gives the sink what map.ops() has, and empties that.
  absl::Status AppendOps();
  // As AppendOps(), an operation of another task.
  absl::Status AppendTo(TaskId task, const GuestOp& op);
  absl::Status Append(const GuestOp& op);

  // Gives the sink all that it does not have.
  absl::Status Flush();

 private:
  struct Window {
    uint64_t start = 0;
    uint64_t size = 0;
    uint8_t rights = 0;
  };

  // Whether [va, va + length) is mapped with `right`. If not that can be an
  // error, which is then in failure_.
  bool Allows(uint8_t right, uint64_t va, uint64_t length) {
    const Window& window = windows_[va >> 16 & (kWindows - 1)];
    const uint64_t into = va - window.start;
    if (into < window.size && length <= window.size - into) [[likely]] {
      return (window.rights & right) != 0;
    }
    return LookUp(right, va, length);
  }
  bool LookUp(uint8_t right, uint64_t va, uint64_t length);

  // Forgets the windows if the map has changed.
  void RenewWindows();

  // Emits the fetches of the instructions up to `count`.
  void Fetch(unsigned count);
  // Joins the last two operations if they are a load and a store of the same
  // bytes by one instruction.
  void JoinModify();
  void Put(GuestOpKind kind, uint64_t va, uint64_t length) {
    GuestOp& op = buffer_[count_++];
    op.kind = kind;
    op.va = VirtAddr(va);
    op.length = length;
  }

  // A block of fetches, with some accesses each, fits in the second half.
  static constexpr size_t kBuffer = 4096;
  static constexpr size_t kWindows = 16;

  OpWriter& map_;
  OpSink& sink_;
  SpoolCounts& counts_;
  TaskId task_ = 0;
  // Fields that no access has are zero in all of them.
  std::unique_ptr<std::array<GuestOp, kBuffer>> buffer_storage_;
  GuestOp* buffer_;
  size_t count_ = 0;
  // Windows are by 64 KiB: code, data and stack rarely share one.
  std::array<Window, kWindows> windows_;
  uint64_t generation_ = 0;  // of the map, which the windows are of
  Block block_;
  bool executable_ = false;  // the block is mapped so
  unsigned fetched_ = 0;     // instructions of the block
  uint64_t fetch_at_ = 0;    // address of the next
  size_t first_ = 0;         // of the operations of the last instruction
  uint64_t last_bytes_ = 0;  // of the last access's word, 0: none can be joined
  absl::Status failure_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_ACCESS_WRITER_H_
