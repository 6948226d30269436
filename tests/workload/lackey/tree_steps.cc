// What one process of a random tree does, as Linux lets it.

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "workload/lackey/tree_logs.h"

namespace xmmu {
namespace {

// Where processes map: the second crosses a border of 1 GiB, the third is
// beyond what 32 bits reach.
constexpr std::array<uint64_t, 3> kArenas = {0x10000, 0x3fe00, 0x7000100};
constexpr uint64_t kArenaPages = 1100;  // more than two L1 tables
constexpr uint64_t kHeap = 0x5000;
constexpr uint64_t kHeapPages = 64;
constexpr uint64_t kNoDescriptor = 4294967295;

constexpr unsigned kShared = 1;
constexpr unsigned kPrivate = 2;
constexpr unsigned kFixed = 0x10;
constexpr unsigned kAnonymous = 0x20;
constexpr unsigned kLocked = 0x2000;
constexpr unsigned kPopulate = 0x8000;

uint8_t Granted(unsigned rights) {
  const unsigned granted = rights == 0 ? 0 : rights | kMapRead;
  return static_cast<uint8_t>(granted);
}

}  // namespace

void TreeProcess::Step() {
  switch (choices_.Below(26)) {
    case 0:
    case 1:
    case 2:
      return Mmap();
    case 3:
      return Munmap();
    case 4:
      return Mprotect();
    case 5:
      return Madvise();
    case 6:
    case 7:
      return Mremap();
    case 8:
      return Brk();
    case 9:
      return choices_.OneIn(2) ? Shmat() : Shmdt();
    case 10:
      return Open();
    case 11:
    case 12:
      return ImageAccess();
    case 13:
    case 14:
    case 15:
      return Copy();
    case 16:
      return choices_.OneIn(2) ? Memfd() : Unlink();
    case 17:
      return Lock();
    default:
      return Access();
  }
}

// --- What is where.

TreeProcess::Pages TreeProcess::AnyPages(uint64_t most) {
  if (choices_.OneIn(12)) most *= 30;
  const uint64_t count = 1 + choices_.Below(most);
  const uint64_t arena = kArenas[choices_.Below(kArenas.size())];
  // Half of the time in a corner, where things meet.
  const uint64_t room = choices_.OneIn(2) ? 24 : kArenaPages - count;
  return {arena + choices_.Below(room), count};
}

std::optional<TreeProcess::Pages> TreeProcess::FreePages(uint64_t count) {
  for (int tries = 0; tries < 8; ++tries) {
    Pages pages = AnyPages(1);
    pages.count = count;
    if (IsFree(pages)) return pages;
  }
  return std::nullopt;
}

std::optional<TreeProcess::Pages> TreeProcess::MappedPages(uint64_t most,
                                                           bool one_mapping) {
  if (pages_.empty()) return std::nullopt;
  auto it = pages_.begin();
  std::advance(it, choices_.Below(pages_.size()));
  Pages pages{it->first, 1};
  for (uint64_t more = choices_.Below(most); more > 0; --more) {
    if (one_mapping ? !Continues(pages.end() - 1)
                    : pages_.count(pages.end()) == 0) {
      break;
    }
    ++pages.count;
  }
  return pages;
}

bool TreeProcess::Continues(uint64_t page) const {
  const auto a = pages_.find(page);
  const auto b = pages_.find(page + 1);
  if (a == pages_.end() || b == pages_.end()) return false;
  const Page& x = a->second;
  const Page& y = b->second;
  return x.rights == y.rights && x.backing == y.backing &&
         x.object == y.object && x.never_writable == y.never_writable &&
         x.advice == y.advice && x.locked == y.locked &&
         (x.object == 0 || x.object_page + 1 == y.object_page);
}

bool TreeProcess::IsFree(const Pages& pages) const {
  const auto it = pages_.lower_bound(pages.first);
  return it == pages_.end() || it->first >= pages.end();
}

void TreeProcess::Clear(const Pages& pages) {
  pages_.erase(pages_.lower_bound(pages.first),
               pages_.lower_bound(pages.end()));
}

void TreeProcess::Fill(const Pages& pages, Page page) {
  Clear(pages);
  for (uint64_t i = 0; i < pages.count; ++i) {
    pages_[pages.first + i] = page;
    ++page.object_page;
  }
}

uint8_t TreeProcess::AnyRights() {
  constexpr std::array<uint8_t, 8> kRights = {3, 3, 3, 1, 5, 7, 0, 2};
  return kRights[choices_.Below(kRights.size())];
}

// --- Accesses.

void TreeProcess::AccessAt(uint64_t va, uint64_t length) {
  constexpr std::array<const char*, 4> kKinds = {"I ", " L", " S", " M"};
  Line(absl::StrFormat("%s %08x,%d", kKinds[choices_.Below(kKinds.size())], va,
                       length));
}

void TreeProcess::Access() {
  const auto pages = MappedPages(8, /*one_mapping=*/false);
  if (!pages) return ImageAccess();
  if (pages->count > 1 && choices_.OneIn(3)) {  // across pages
    const uint64_t length = choices_.OneIn(2) ? 16 : 5000;
    const bool fits = length == 16 || pages->count > 2;
    return AccessAt((pages->first << kPageShift) + 4090, fits ? length : 16);
  }
  for (uint64_t i = 0; i < pages->count; ++i) {
    AccessAt(((pages->first + i) << kPageShift) + 8 * choices_.Below(500), 8);
  }
}

// The program, the dynamic linker and the stack.
void TreeProcess::ImageAccess() {
  constexpr std::array<uint64_t, 3> kImages = {0x400000, 0x4000000,
                                               0x1ffefff000};
  const uint64_t image = kImages[choices_.Below(kImages.size())];
  if (image == kImages[0] && choices_.OneIn(12)) {
    return Call(10,
                absl::StrFormat("sys_mprotect ( 0x%x, %d, %d )",
                                image + 4096 * choices_.Below(40),
                                4096 * (1 + choices_.Below(4)), AnyRights()),
                0);
  }
  AccessAt(image + 8 * choices_.Below(1000), 8);
}

// --- Calls.

void TreeProcess::Open() {
  const uint64_t file = choices_.Below(3);
  const int mode = static_cast<int>(choices_.Below(3));
  const bool closes = choices_.OneIn(3);
  uint64_t descriptor = 3;
  while (descriptors_.count(descriptor) != 0) ++descriptor;
  if (descriptor > 12) return;
  const int flags = mode | (closes ? 02000000 : 0);
  Call(257,
       absl::StrFormat("sys_openat ( 4294967196, 0x1(/lib/f%d), %d )", file,
                       flags),
       descriptor);
  uint32_t& identity = files_[file];
  if (identity == 0) identity = static_cast<uint32_t>(file + 1);
  descriptors_[descriptor] = {identity, closes};
}

void TreeProcess::WriteMmap(const Pages& pages, unsigned rights, unsigned flags,
                            uint64_t descriptor, uint64_t offset) {
  const uint64_t va = pages.first << kPageShift;
  Call(
      9,
      absl::StrFormat("sys_mmap ( 0x%x, %d, %d, %d, %d, %d )",
                      (flags & kFixed) != 0 ? va : 0, pages.count << kPageShift,
                      rights, flags, descriptor, offset),
      va);
}

void TreeProcess::Mmap() {
  Pages pages = AnyPages(20);
  unsigned flags = choices_.OneIn(3) ? kShared : kPrivate;
  if (!IsFree(pages) || choices_.OneIn(4)) flags |= kFixed;
  Page page;
  uint64_t descriptor = kNoDescriptor;
  uint64_t offset = 0;
  unsigned rights = AnyRights();
  const bool shared = (flags & kShared) != 0;
  if (choices_.OneIn(6)) flags |= kPopulate;
  if (choices_.OneIn(12)) {
    flags |= kLocked;
    page.locked = true;
  }
  if (!descriptors_.empty() && choices_.OneIn(2)) {
    auto it = descriptors_.begin();
    std::advance(it, choices_.Below(descriptors_.size()));
    descriptor = it->first;
    page.backing = shared ? Backing::kFileShared : Backing::kFilePrivate;
    page.object = it->second.file;
    page.object_page = choices_.Below(16);
    offset = page.object_page << kPageShift;
  } else {
    flags |= kAnonymous;
    if (shared) {
      page.backing = Backing::kSharedAnonymous;
      page.object = (pid_ << 12) + 0x1000000 + ++objects_;
    }
  }
  page.rights = Granted(rights);
  WriteMmap(pages, rights, flags, descriptor, offset);
  Fill(pages, page);
}

void TreeProcess::Munmap() {
  Pages pages = AnyPages(20);
  if (const auto mapped = MappedPages(20, false); mapped && choices_.OneIn(2)) {
    pages = *mapped;
  }
  Call(11,
       absl::StrFormat("sys_munmap ( 0x%x, %d )", pages.first << kPageShift,
                       pages.count << kPageShift),
       0);
  Clear(pages);
}

void TreeProcess::Mprotect() {
  const auto pages = MappedPages(20, false);
  if (!pages) return;
  unsigned rights = AnyRights();
  for (uint64_t i = 0; i < pages->count; ++i) {
    if (pages_[pages->first + i].never_writable) rights &= ~2u;
  }
  Call(10,
       absl::StrFormat("sys_mprotect ( 0x%x, %d, %d )",
                       pages->first << kPageShift, pages->count << kPageShift,
                       rights),
       0);
  for (uint64_t i = 0; i < pages->count; ++i) {
    pages_[pages->first + i].rights = Granted(rights);
  }
}

void TreeProcess::WriteMremap(const Pages& from, const Pages& to,
                              unsigned flags) {
  std::string call = absl::StrFormat(
      "sys_mremap ( 0x%x, %d, %d, 0x%x", from.first << kPageShift,
      from.count << kPageShift, to.count << kPageShift, flags);
  if ((flags & 2) != 0) {
    absl::StrAppend(&call, ", 0x", absl::Hex(to.first << kPageShift));
  }
  Call(25, call + " )", to.first << kPageShift);
}

void TreeProcess::MoveTo(const Pages& from, const Pages& to, bool keeps_old) {
  const Page first = pages_[from.first];
  if (!keeps_old) Clear(from);
  Fill(to, first);
}

void TreeProcess::Mremap() {
  const auto found = MappedPages(20, /*one_mapping=*/true);
  if (!found) return;
  const Pages from = *found;
  const Page first = pages_[from.first];
  const uint64_t count = 1 + choices_.Below(24);
  const Pages same{from.first, count};
  const Pages behind{from.end(), count};
  const bool last = !Continues(from.end() - 1);
  if (count <= from.count && choices_.OneIn(2)) {
    WriteMremap(from, same, choices_.OneIn(2) ? 1 : 0);
    Clear({same.end(), from.count - count});
  } else if (last && IsFree(behind) && choices_.OneIn(2)) {
    const Pages grown{from.first, from.count + count};
    WriteMremap(from, grown, choices_.OneIn(2) ? 1 : 0);
    Fill(grown, first);
  } else if (first.shared() && choices_.OneIn(3)) {
    const auto to = FreePages(count);
    if (!to) return;
    WriteMremap({from.first, 0}, *to, 1);
    Fill(*to, first);
  } else if (choices_.OneIn(2)) {  // onto whatever is there
    const bool keeps_old = choices_.OneIn(4);
    Pages to = AnyPages(1);
    to.count = keeps_old ? from.count : count;
    if (to.first < from.end() && from.first < to.end()) return;
    WriteMremap(from, to, keeps_old ? 7 : 3);
    Clear(to);
    MoveTo(from, to, keeps_old);
  } else if (const auto to = FreePages(from.count + count)) {
    WriteMremap(from, *to, 1);
    MoveTo(from, *to, false);
  }
}

void TreeProcess::Brk() {
  if (brk_ == 0) {
    brk_ = (kHeap << kPageShift) + 8 * choices_.Below(512);
    return Call(12, "sys_brk ( 0x0 )", brk_);
  }
  const auto page_up = [](uint64_t va) { return (va + 4095) >> kPageShift; };
  const uint64_t heap = (kHeap + 1) << kPageShift;
  const uint64_t wanted = heap + 16 * choices_.Below(kHeapPages * 256);
  const uint64_t old_end = page_up(brk_);
  const uint64_t new_end = page_up(wanted);
  if (new_end > old_end) {
    const Pages more{old_end, new_end - old_end};
    if (!IsFree(more)) return;
    Fill(more, {.rights = 3});
  } else {
    Clear({new_end, old_end - new_end});
  }
  Call(12, absl::StrFormat("sys_brk ( 0x%x )", wanted), wanted);
  brk_ = wanted;
}

void TreeProcess::Shmat() {
  if (segments_.size() < 3) {
    const uint64_t id = pid_ * 16 + segments_.size() + 1;
    const uint64_t count = 1 + choices_.Below(12);
    Call(29, absl::StrFormat("sys_shmget ( 0, %d, 950 )", count << kPageShift),
         id);
    segments_[id] = count;
  }
  auto it = segments_.begin();
  std::advance(it, choices_.Below(segments_.size()));
  const auto pages = FreePages(it->second);
  if (!pages) return;
  const bool read_only = choices_.OneIn(3);
  const uint64_t va = pages->first << kPageShift;
  Call(30,
       absl::StrFormat("sys_shmat ( %d, 0x0, %d )", it->first,
                       read_only ? 010000 : 0),
       va);
  const uint8_t rights = read_only ? kMapRead : kMapRead | kMapWrite;
  Fill(*pages, {.rights = rights,
                .backing = Backing::kFileShared,
                .object = static_cast<uint32_t>(0x2000000 + it->first),
                .never_writable = read_only});
  attached_[va] = *pages;
}

void TreeProcess::Shmdt() {
  if (attached_.empty()) return;
  const auto [va, pages] = *attached_.begin();
  attached_.erase(attached_.begin());
  // Detaches only a segment that is still as it was attached, and apart from
  // others.
  for (uint64_t i = 0; i < pages.count; ++i) {
    const auto it = pages_.find(pages.first + i);
    if (it == pages_.end() || it->second.object < 0x2000000 ||
        it->second.object_page != i) {
      return;
    }
    if (i + 1 < pages.count && !Continues(pages.first + i)) return;
  }
  if (Continues(pages.end() - 1) || Continues(pages.first - 1)) return;
  Call(67, absl::StrFormat("sys_shmdt ( 0x%x )", va), 0);
  Clear(pages);
}

}  // namespace xmmu
