#include "workload/qemu/exec_stack.h"

#include <vector>

#include "workload/process/call_rules.h"
#include "workload/qemu/spool_file.h"
#include "workload/qemu/spool_words.h"
#include "xmmu/workload/workload.h"

namespace xmmu {
namespace {

// Assumed: a program gets to its stack within so many records.
constexpr int kMostRecords = 4096;

// Linux, fs/exec.c, bprm_stack_limits: three quarters of _STK_LIM.
constexpr uint64_t kMostArguments = kStackLimit / 4 * 3;

// The words of a record behind its first.
uint64_t WordsBehind(uint64_t word) {
  const uint64_t payload = spool::PayloadOf(word);
  switch (spool::TypeOf(word)) {
    case spool::kProgram:
      return (spool::LengthOf(payload) + 7) / 8;
    case spool::kMap:
      return 3 + (spool::TagOf(payload) + 7) / 8;
    case spool::kThread:
      return 1;
    default:
      return 0;
  }
}

// Reads the next record whole. Returns false at the end, at a call, and at
// whatever is wrong.
bool NextRecord(SpoolFile& file, std::vector<uint64_t>& words) {
  const absl::StatusOr<uint64_t> word = file.Peek();
  if (!word.ok() || *word == 0) return false;
  uint64_t behind = 0;
  if (!spool::IsAccess(*word)) {
    if (spool::TypeOf(*word) == spool::kCall) return false;
    behind = WordsBehind(*word);
  }
  return behind < (1 << 20) && file.Take(1 + behind, file.offset(), words).ok();
}

}  // namespace

std::optional<AddressMap::Range> FindExecStack(const SpoolProgram& program) {
  SpoolFile file(program.threads[program.main]);
  AddressMap::Range stack{0, 0};
  std::vector<uint64_t> words;
  for (int i = 0; i < kMostRecords && NextRecord(file, words); ++i) {
    const uint64_t word = words[0];
    if (!spool::IsAccess(word)) {
      const uint64_t payload = spool::PayloadOf(word);
      const bool is_stack = spool::TypeOf(word) == spool::kMap &&
                            (payload >> 8 & spool::kMapStack) != 0 &&
                            (payload & 7) == (kMapRead | kMapWrite);
      if (is_stack) stack = {words[1], words[2]};
      continue;
    }
    uint64_t va = spool::AddressOf(word);
    if (va < stack.start || va >= stack.end) continue;
    if (spool::IsStore(word)) va += spool::BytesOf(word);
    const AddressMap::Range written{va & ~kPageOffsetMask, stack.end};
    const bool sensible = stack.end % kPageSize == 0 && va < stack.end &&
                          stack.end - written.start <= kMostArguments;
    if (!sensible) return std::nullopt;
    return written;
  }
  return std::nullopt;
}

}  // namespace xmmu
