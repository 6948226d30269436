// What the kernel does to a tree's memory for its calls, and to its files.

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "workload/lackey/tree_logs.h"

namespace xmmu {
namespace {

constexpr uint64_t kStatBytes = 144;  // struct stat (x86-64)

}  // namespace

// A read, write, stat or poll with its buffer anywhere in what is mapped, be it
// with the rights for that or not. A reader has to believe of a call that
// succeeded that all of its buffer is mapped.
void TreeProcess::Copy() {
  const auto pages = MappedPages(8, /*one_mapping=*/false);
  if (!pages) return;
  const uint64_t first = pages->first << kPageShift;
  const uint64_t offset = 8 * choices_.Below(500);
  const uint64_t room = (pages->count << kPageShift) - offset;
  const uint64_t va = first + offset;
  const uint64_t length = 1 + choices_.Below(room);
  switch (choices_.Below(4)) {
    case 0:
      return Call(0, absl::StrFormat("sys_read ( 0, 0x%x, %d )", va, length),
                  length);
    case 1:
      return Call(1, absl::StrFormat("sys_write ( 1, 0x%x, %d )", va, length),
                  length);
    case 2:
      return Call(5,
                  absl::StrFormat("sys_newfstat ( 1, 0x%x )",
                                  room < kStatBytes ? first : va),
                  0);
    default:
      return Call(7, absl::StrFormat("sys_poll ( 0x%x, 3, 0 )", va), 0);
  }
}

void TreeProcess::Madvise() {
  const auto pages = MappedPages(20, false);
  if (!pages) return;
  bool anonymous = true;
  bool locked = false;
  bool writable = true;
  for (uint64_t i = 0; i < pages->count; ++i) {
    const Page& page = pages_[pages->first + i];
    anonymous &= page.backing == Backing::kAnonymous;
    locked |= page.locked;
    writable &= (page.rights & kMapWrite) != 0;
  }
  constexpr std::array<int, 9> kAdvices = {4, 4, 4, 8, 8, 14, 15, 18, 23};
  const int advice = kAdvices[choices_.Below(kAdvices.size())];
  if (locked && (advice == 4 || advice == 8)) return;
  if (!anonymous && (advice == 8 || advice == 18)) return;
  if (!writable && advice == 23) return;
  Call(28,
       absl::StrFormat("sys_madvise ( 0x%x, %d, %d )",
                       pages->first << kPageShift, pages->count << kPageShift,
                       advice),
       0);
  for (uint64_t i = 0; i < pages->count; ++i) {
    int& kept = pages_[pages->first + i].advice;
    if (advice == 14 || advice == 15) kept = (kept & 16) | (advice - 13);
    if (advice == 18) kept |= 16;
  }
}

void TreeProcess::Memfd() {
  uint64_t descriptor = 3;
  while (descriptors_.count(descriptor) != 0) ++descriptor;
  if (descriptor > 12) return;
  Call(319, "sys_memfd_create ( 0x0, 0 )", descriptor);
  const uint32_t identity = (pid_ << 12) + 0x40000000 + ++objects_;
  descriptors_[descriptor] = {identity, false, false};
}

// What is opened by the path from then on is another file.
void TreeProcess::Unlink() {
  const uint64_t file = choices_.Below(3);
  Call(87, absl::StrFormat("sys_unlink ( 0x1(/lib/f%d) )", file), 0);
  files_[file] = (pid_ << 12) + 0x20000000 + ++objects_;
}

void TreeProcess::Lock() {
  const auto pages = MappedPages(20, /*one_mapping=*/false);
  if (!pages) return;
  const bool locks = choices_.OneIn(2);
  Call(locks ? 149 : 150,
       absl::StrFormat("sys_%s ( 0x%x, %d )", locks ? "mlock" : "munlock",
                       pages->first << kPageShift, pages->count << kPageShift),
       0);
  for (uint64_t i = 0; i < pages->count; ++i) {
    pages_[pages->first + i].locked = locks;
  }
}

}  // namespace xmmu
