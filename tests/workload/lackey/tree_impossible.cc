// Records of calls that Linux refuses, said to have succeeded.

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "workload/lackey/tree_logs.h"

namespace xmmu {
namespace {

// No arena of TreeProcess reaches this address.
constexpr uint64_t kNowhere = 0x30000000;

uint64_t Va(uint64_t page) { return page << kPageShift; }

}  // namespace

std::optional<uint64_t> TreeProcess::LastOfMapped() const {
  for (const auto& [number, page] : pages_) {
    if (pages_.count(number + 1) == 0) return number;
  }
  return std::nullopt;
}

std::optional<uint64_t> TreeProcess::LastOfOne() const {
  for (const auto& [number, page] : pages_) {
    if (pages_.count(number + 1) != 0 && !Continues(number)) return number;
  }
  return std::nullopt;
}

std::string TreeProcess::Impossible() {
  const auto mapped = MappedPages(6, /*one_mapping=*/true);
  if (!mapped || choices_.OneIn(4)) return ImpossibleRange();
  return choices_.OneIn(2) ? ImpossibleMapping(*mapped)
                           : ImpossibleRemap(*mapped);
}

std::string TreeProcess::ImpossibleRange() {
  struct Case {
    const char* what;
    int number;
    const char* call;
    uint64_t result;
  };
  static constexpr Case kCases[] = {
      {"mmap of no bytes", 9, "sys_mmap ( 0x0, 0, 3, 34, 4294967295, 0 )",
       kNowhere},
      {"mmap to no page", 9, "sys_mmap ( 0x0, 4096, 3, 34, 4294967295, 0 )",
       kNowhere + 8},
      {"mmap beyond the end", 9, "sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 )",
       0x7fffffffe000},
      {"mmap of no kind", 9, "sys_mmap ( 0x0, 4096, 3, 32, 4294967295, 0 )",
       kNowhere},
      {"mmap of no file", 9, "sys_mmap ( 0x0, 4096, 3, 2, 4294967295, 0 )",
       kNowhere},
      {"mmap of half a page", 9, "sys_mmap ( 0x0, 4096, 3, 2, 9, 2048 )",
       kNowhere},
      {"mmap elsewhere", 9,
       "sys_mmap ( 0x31000000, 4096, 3, 50, 4294967295, 0 )", kNowhere},
      {"munmap of no bytes", 11, "sys_munmap ( 0x30000000, 0 )", 0},
      {"munmap of no page", 11, "sys_munmap ( 0x30000001, 4096 )", 0},
      {"munmap beyond the end", 11, "sys_munmap ( 0x7fffffffe000, 8192 )", 0},
      {"mprotect of no page", 10, "sys_mprotect ( 0x30000008, 4096, 1 )", 0},
      {"mprotect of nothing", 10, "sys_mprotect ( 0x30000000, 4096, 1 )", 0},
      {"mprotect of a tebibyte of nothing", 10,
       "sys_mprotect ( 0x30000000, 1099511627776, 1 )", 0},
      {"mprotect to no rights", 10, "sys_mprotect ( 0x400000, 4096, 64 )", 0},
      {"madvise of nothing", 28, "sys_madvise ( 0x30000000, 4096, 4 )", 0},
      {"madvise of no page", 28, "sys_madvise ( 0x30000008, 4096, 4 )", 0},
      {"mremap of nothing", 25, "sys_mremap ( 0x30000000, 4096, 8192, 0x1 )",
       0x31000000},
      {"mremap to no bytes", 25, "sys_mremap ( 0x400000, 4096, 0, 0x1 )",
       0x31000000},
      {"brk to the end of the world", 12, "sys_brk ( 0x7ffffffff000 )",
       0x7ffffffff000},
      {"shmdt of no page", 67, "sys_shmdt ( 0x30000008 )", 0},
  };
  const Case& one = kCases[choices_.Below(std::size(kCases))];
  if (one.number == 12 && brk_ == 0) Brk();
  Call(one.number, one.call, one.result);
  return one.what;
}

std::string TreeProcess::ImpossibleMapping(const Pages& mapped) {
  const Page page = pages_[mapped.first];
  const uint64_t last = *LastOfMapped();
  switch (choices_.Below(6)) {
    case 0:
      WriteMmap(mapped, 3, 0x22, 4294967295, 0);
      return "mmap over a mapping";
    case 1:
      Call(9,
           absl::StrFormat("sys_mmap ( 0x%x, 4096, 3, %d, 4294967295, 0 )",
                           Va(mapped.first), 0x100022),
           Va(mapped.first));
      return "mmap over a mapping that is not to be replaced";
    case 2:
      Call(10, absl::StrFormat("sys_mprotect ( 0x%x, 8192, 1 )", Va(last)), 0);
      return "mprotect over a hole";
    case 3:
      Call(28, absl::StrFormat("sys_madvise ( 0x%x, 8192, 4 )", Va(last)), 0);
      return "madvise over a hole";
    case 4:
      if (page.never_writable) {
        Call(
            10,
            absl::StrFormat("sys_mprotect ( 0x%x, 4096, 3 )", Va(mapped.first)),
            0);
        return "mprotect to write what may only be read";
      }
      [[fallthrough]];
    default:
      if (page.backing == Backing::kAnonymous) {
        Call(67, absl::StrFormat("sys_shmdt ( 0x%x )", Va(mapped.first)), 0);
        return "shmdt of anonymous memory";
      }
      Call(28,
           absl::StrFormat("sys_madvise ( 0x%x, 4096, 8 )", Va(mapped.first)),
           0);
      return "MADV_FREE of what is not anonymous";
  }
}

std::string TreeProcess::ImpossibleRemap(const Pages& mapped) {
  const uint64_t count = mapped.count;
  const Pages nowhere{kNowhere >> kPageShift, count + 1};
  switch (choices_.Below(9)) {
    case 0:
      WriteMremap(mapped, {mapped.first + count - 1, count}, 3);
      if (count > 1) return "mremap onto itself";
      return "mremap of a page onto itself";
    case 1:
      WriteMremap(mapped, nowhere, 0);
      return "mremap that moves and may not";
    case 2:
      WriteMremap(mapped, {nowhere.first, count}, 1);
      return "mremap that moves and need not";
    case 3:
      WriteMremap(mapped, nowhere, 2);
      return "mremap to a fixed place that may not move";
    case 4:
      WriteMremap(mapped, nowhere, 5);
      return "mremap that keeps the old pages and grows";
    case 5:
      if (const auto last = LastOfOne()) {
        WriteMremap({*last, 2}, {nowhere.first, 3}, 1);
        return "mremap of two mappings";
      }
      [[fallthrough]];
    case 6:
      if (!IsFree({mapped.end(), 1})) {
        WriteMremap(mapped, {mapped.first, count + 1}, 0);
        return "mremap that grows over a mapping";
      }
      [[fallthrough]];
    case 7:
      if (!pages_[mapped.first].shared()) {
        WriteMremap({mapped.first, 0}, {nowhere.first, 1}, 1);
        return "mremap that doubles private memory";
      }
      [[fallthrough]];
    default:
      WriteMremap(mapped, {nowhere.first, count + 1}, 8);
      return "mremap with flags that there are not";
  }
}

}  // namespace xmmu
