#ifndef XMMU_LIB_WORKLOAD_CHAMPSIM_CHAMPSIM_RECORD_H_
#define XMMU_LIB_WORKLOAD_CHAMPSIM_CHAMPSIM_RECORD_H_

// The records of ChampSim traces, one an instruction, without a head or a magic
// number (ChampSim, inc/trace_instruction.h): input_instr of 64 bytes, and
// cloudsuite_instr of 96 bytes, as compilers for x86-64 lay them out.

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace xmmu {

enum class ChampsimLayout : uint8_t { kNone, kStandard, kCloudSuite };

constexpr size_t RecordBytesOf(ChampsimLayout layout) {
  return layout == ChampsimLayout::kCloudSuite ? 96 : 64;
}

inline constexpr size_t kMostStores = 4;  // a standard record has 2
inline constexpr size_t kMostLoads = 4;

struct ChampsimRecord {
  uint64_t ip = 0;
  uint8_t is_branch = 0;
  uint8_t branch_taken = 0;
  std::array<uint64_t, kMostStores> stores{};  // addresses, 0: none
  std::array<uint64_t, kMostLoads> loads{};
  uint16_t address_space = 0;  // asid[0] and asid[1]
  bool padded = true;          // what the layout leaves unused is 0

  // Whether the fields that can be checked have values that they can have.
  bool possible() const {
    return ip != 0 && is_branch <= 1 && branch_taken <= 1 && padded;
  }
  bool has_memory() const;
};

// REQUIRES: `bytes` are RecordBytesOf(layout) ones.
ChampsimRecord ParseChampsim(const char* bytes, ChampsimLayout layout);

// How much of a file's begin tells its layout: 1000 records, as of either.
inline constexpr size_t kChampsimSample = 1000 * 96;  // bytes

// Returns the layout of a file that begins with `content`. The right one has
// nothing but possible records, and the wrong one fails within a few, as fields
// of addresses come to lie where flags and padding are; if both are possible,
// in a short file, it is the one that has whole records only.
ChampsimLayout LayoutOf(absl::string_view content);

// Whether `content` can be told to be of ChampSim: its layout is known, and
// all instructions are where x86-64 has addresses (bits 63 to 48 alike). Text
// and other formats are not.
bool IsChampsimContent(absl::string_view content);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_CHAMPSIM_CHAMPSIM_RECORD_H_
