#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_MODIFY_PAIRING_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_MODIFY_PAIRING_H_

// Finds the instructions that read bytes and write the same ones: the trace has
// a read and a write of each, which are one operation, a kModify.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace xmmu {

class ModifyPairing {
 public:
  // An instruction begins, or another iteration of one.
  void Begin() { count_ = 0; }

  // The instruction has read `size` bytes at `va`. `token` tells this read.
  void Read(uint64_t va, uint16_t size, size_t token) {
    if (count_ < reads_.size()) reads_[count_++] = {va, token, size};
  }

  // It has written them. Returns the token of the earliest read of the same
  // bytes that no write has been paired with, if there is one.
  std::optional<size_t> Write(uint64_t va, uint16_t size) {
    for (size_t i = 0; i < count_; ++i) {
      if (reads_[i].va != va || reads_[i].size != size || !reads_[i].open) {
        continue;
      }
      reads_[i].open = false;
      return reads_[i].token;
    }
    return std::nullopt;
  }

 private:
  struct OneRead {
    uint64_t va;
    size_t token;
    uint16_t size;
    bool open = true;
  };
  // More than any instruction reads (a gather: 16). Later ones are not paired.
  std::array<OneRead, 32> reads_;
  size_t count_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_MODIFY_PAIRING_H_
