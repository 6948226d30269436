#include "testing/conformance/guest_view.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "guest/kernel_layout.h"
#include "xmmu/machine/pte.h"
#include "xmmu/xen/internal/direct_paging_state.h"

namespace xmmu::conformance {
namespace {

constexpr uint64_t kAccumulated = pte::kWritable | pte::kUser;
constexpr std::array kKinds = {AccessKind::kRead, AccessKind::kWrite,
                               AccessKind::kExecute};

// Reads the tables of one guest.
class Reader {
 public:
  explicit Reader(World& world)
      : memory_(world.host().memory()),
        domain_(world.domain()),
        mode_(domain_.mode()),
        user_end_(LayoutOf(mode_).user_end) {}

  GuestPages Read(const GuestKernel::Roots& roots) {
    GuestPages pages;
    Table(roots.root, LevelCount(mode_), VirtAddr(0),
          pte::kPresent | kAccumulated, pages);
    if (roots.user_root != kInvalidPfn) CompareRoots(roots);
    return pages;
  }

  const std::string& wrong() const { return wrong_; }

 private:
  Pte EntryOf(Pfn table, int slot) const {
    return Pte(memory_.ReadEntry(SlotOf(table, slot), EntryBytes(mode_)));
  }
  MachineAddr SlotOf(Pfn table, int slot) const {
    return EntryAddress(mode_, AddressOf(domain_.p2m().MfnOf(table)), slot);
  }
  Pfn PageOf(Pte entry) const {
    return domain_.PfnOf(Gfn(entry.frame().value()));
  }

  // Returns the frame that the kernel reads: that of an open table may be a
  // copy.
  Mfn SeenAs(Pfn table) const {
    const Mfn mfn = domain_.p2m().MfnOf(table);
    const PtwrInfo* const open = domain_.direct().FindOpen(mfn);
    const bool copied = open != nullptr && open->method == PtwrMethod::kCopy;
    return copied ? open->snapshot : mfn;
  }

  void Table(Pfn table, int level, VirtAddr base, uint64_t rights,
             GuestPages& pages) {
    const Mfn seen = SeenAs(table);
    if (!memory_.HasWords(seen)) return;
    const uint64_t span = uint64_t{1} << LevelShift(mode_, level);
    const int slots = EntryCount(mode_, level);
    for (int slot = 0; slot < slots; ++slot) {
      const VirtAddr va = base + static_cast<uint64_t>(slot) * span;
      if (va >= user_end_) break;
      const Pte entry(memory_.ReadEntry(
          EntryAddress(mode_, AddressOf(seen), slot), EntryBytes(mode_)));
      if (entry.raw() == 0) continue;
      const bool pdpte = mode_ == PagingMode::kPae && level == 3;
      if (level == 1 || (!pdpte && entry.page_size())) {
        pages.push_back(Leaf(va, level, entry, rights));
      } else {
        Link(table, slot, level, va, entry, rights, pages);
      }
    }
  }

  void Link(Pfn table, int slot, int level, VirtAddr va, Pte entry,
            uint64_t rights, GuestPages& pages) {
    // This reads as the guest kernel does: Xen takes P from the entry of a
    // table that it has opened for writing.
    const PtwrInfo& active = domain_.direct().ptwr(PtwrSlot::kActive);
    const bool open = active.in_use() && active.l2_entry == SlotOf(table, slot);
    if (!entry.present() && !open) {
      wrong_ = absl::StrFormat("an L%d entry for 0x%x is 0x%x", level,
                               va.value(), entry.raw());
      return;
    }
    if (PageOf(entry) == kInvalidPfn) {
      wrong_ = absl::StrFormat("an L%d entry for 0x%x leads nowhere", level,
                               va.value());
      return;
    }
    const bool grants = mode_ == PagingMode::kPae && level == 3;
    if (!grants) rights = Narrow(rights, entry);
    Table(PageOf(entry), level - 1, va, rights, pages);
  }

  static uint64_t Narrow(uint64_t rights, Pte entry) {
    return (rights & ~(kAccumulated & ~entry.raw())) |
           (entry.raw() & pte::kNoExecute);
  }

  GuestPage Leaf(VirtAddr va, int level, Pte entry, uint64_t rights) {
    const int shift = LevelShift(mode_, level);
    GuestPage page{.va = va, .shift = shift, .pfn = PageOf(entry)};
    constexpr uint64_t kOwn = pte::kAccessed | pte::kDirty;
    page.flags = entry.present()
                     ? Narrow(rights, entry) | (entry.raw() & kOwn)
                     : entry.raw() & (kAccumulated | kOwn | pte::kNoExecute);
    if (page.pfn == kInvalidPfn) {
      wrong_ = absl::StrFormat("the entry for 0x%x leads nowhere", va.value());
      return page;
    }
    for (uint64_t i = 0; i < page.bytes() >> kPageShift; ++i) {
      page.content = MixHash(page.content, ContentOf(page.pfn + i));
    }
    return page;
  }

  // Frames come often: shared, and from one process to the next.
  uint64_t ContentOf(Pfn pfn) {
    const auto [it, inserted] = contents_.try_emplace(pfn.value(), 0);
    if (!inserted) return it->second;
    const Mfn mfn = domain_.p2m().MfnOf(pfn);
    const bool zeros = !memory_.HasWords(mfn);
    uint64_t hash = memory_.ContentToken(mfn);
    for (uint64_t at = 0; !zeros && at < kPageSize; at += 8) {
      const uint64_t word = memory_.Read64(AddressOf(mfn) + at);
      if (word != 0) hash = MixHash(hash + at, word);
    }
    it->second = hash;
    return hash;
  }

  // Both roots of a 64-bit paravirtual process map the program's half alike.
  void CompareRoots(const GuestKernel::Roots& roots) {
    constexpr uint64_t kFlags = pte::kAccessed | pte::kDirty;
    const int level = LevelCount(mode_);
    for (int slot = 0; slot < IndexOf(mode_, level, user_end_); ++slot) {
      const Pte kernel = EntryOf(roots.root, slot).Without(kFlags);
      const Pte user = EntryOf(roots.user_root, slot).Without(kFlags);
      if (kernel == user) continue;
      wrong_ = absl::StrFormat("slot %d is 0x%x in the root, 0x%x in user mode",
                               slot, kernel.raw(), user.raw());
    }
  }

  const PhysMemory& memory_;
  const Domain& domain_;
  PagingMode mode_;
  VirtAddr user_end_;
  absl::flat_hash_map<uint64_t, uint64_t> contents_;
  std::string wrong_;
};

// Numbers frames in the order in which they are met; but those of a large page
// of `view` by their places in it, as some process may have a part of what is
// whole in another.
class Numbering {
 public:
  explicit Numbering(const GuestView& view) {
    for (const auto& [task, pages] : view.processes) {
      for (const GuestPage& page : pages) {
        if (page.shift == kPageShift) continue;
        large_.emplace(page.pfn.value(), page.bytes() >> kPageShift);
      }
    }
  }

  uint64_t Of(Pfn pfn) {
    const auto next = large_.upper_bound(pfn.value());
    if (next != large_.begin()) {
      const auto& [first, frames] = *std::prev(next);
      const uint64_t place = pfn.value() - first;
      if (place < frames) return (NumberOf(first) << 32) + place;
    }
    return NumberOf(pfn.value()) << 32;
  }

 private:
  uint64_t NumberOf(uint64_t pfn) {
    return numbers_.try_emplace(pfn, numbers_.size()).first->second;
  }

  absl::flat_hash_map<uint64_t, uint64_t> numbers_;
  std::map<uint64_t, uint64_t> large_;  // first frame -> frames
};

std::string PageText(const GuestPage& page, uint64_t number) {
  return absl::StrFormat("%d bytes, flags 0x%x, frame #%x, content 0x%x",
                         page.bytes(), page.flags, number, page.content);
}

std::string FirstDifferenceOf(const GuestPages& expected, const GuestPages& got,
                              Numbering& expected_frames,
                              Numbering& got_frames) {
  for (size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
    if (i == got.size() ||
        (i < expected.size() && expected[i].va < got[i].va)) {
      return absl::StrFormat("nothing at 0x%x", expected[i].va.value());
    }
    if (i == expected.size() || got[i].va < expected[i].va) {
      return absl::StrFormat("something at 0x%x", got[i].va.value());
    }
    const uint64_t wanted = expected_frames.Of(expected[i].pfn);
    const uint64_t number = got_frames.Of(got[i].pfn);
    if (expected[i].shift != got[i].shift ||
        expected[i].flags != got[i].flags || wanted != number ||
        expected[i].content != got[i].content) {
      return absl::StrFormat("0x%x: %s, not %s", got[i].va.value(),
                             PageText(got[i], number),
                             PageText(expected[i], wanted));
    }
  }
  return "";
}

// The page that contains `va`, or nullptr.
const GuestPage* FindPage(const GuestPages& pages, VirtAddr va) {
  const auto next = std::upper_bound(
      pages.begin(), pages.end(), va,
      [](VirtAddr at, const GuestPage& page) { return at < page.va; });
  if (next == pages.begin()) return nullptr;
  const GuestPage& page = *std::prev(next);
  return va - page.va < page.bytes() ? &page : nullptr;
}

// The parts of a page that are probed: of a large one some, as the first walk
// that meets its entry says what all of it is.
std::vector<VirtAddr> ProbesOf(const GuestPage& page) {
  if (page.shift == kPageShift) return {page.va};
  return {page.va, page.va + kPageSize, page.va + page.bytes() / 2,
          page.va + page.bytes() - kPageSize};
}

std::string_view NameOf(AccessKind kind) {
  switch (kind) {
    case AccessKind::kRead:
      return "read";
    case AccessKind::kWrite:
      return "write";
    case AccessKind::kExecute:
      return "fetch";
    case AccessKind::kImplicitRead:
      return "descriptor read";
  }
  return "access";
}

// One processor against the pages of the process that it has loaded.
class CpuCheck {
 public:
  CpuCheck(World& world, uint32_t id, const GuestPages& pages)
      : cpu_(world.cpu(id)),
        domain_(world.domain()),
        pages_(pages),
        // Shadowed tables are filled on demand, opened ones hidden.
        exact_(!domain_.translated() && !domain_.direct().ptwr_in_use() &&
               !domain_.dirty_log().enabled()) {}

  std::string FirstStale() const {
    std::string wrong;
    for (const GuestPage& page : pages_) {
      for (const VirtAddr va : ProbesOf(page)) {
        if (wrong.empty()) wrong = Probe(va, &page);
      }
      // The edges of what is mapped are probed, too.
      for (const VirtAddr edge :
           {page.va - kPageSize, page.va + page.bytes()}) {
        const GuestPage* const there = FindPage(pages_, edge);
        if (wrong.empty() && there == nullptr) wrong = Probe(edge, nullptr);
      }
    }
    const VirtAddr user_end = LayoutOf(domain_.mode()).user_end;
    for (const TlbEntry& entry : cpu_.mmu.TlbEntries()) {
      if (entry.va() >= user_end || !cpu_.mmu.Serves(entry)) continue;
      if (wrong.empty()) wrong = Judge(entry);
    }
    return wrong;
  }

 private:
  std::string Probe(VirtAddr va, const GuestPage* page) const {
    if (va >= LayoutOf(domain_.mode()).user_end) return "";
    for (const AccessKind kind : kKinds) {
      const TranslateResult result = cpu_.mmu.Probe({va, kind, /*user=*/true});
      const bool allowed = page != nullptr && page->Allows(kind);
      const char* wrong = nullptr;
      if (result.ok() && !allowed) wrong = "allows";
      if (!result.ok() && allowed && exact_) wrong = "refuses";
      if (result.ok() && allowed &&
          FrameOf(result.addr()) != MfnOf(*page, va)) {
        wrong = "leads elsewhere for";
      }
      if (wrong == nullptr) continue;
      return absl::StrFormat("CPU %d's walk for 0x%x %s a user's %s", cpu_.id,
                             va.value(), wrong, NameOf(kind));
    }
    return "";
  }

  std::string Judge(const TlbEntry& entry) const {
    const GuestPage* const page = FindPage(pages_, entry.va());
    const auto text = [&](std::string_view what) {
      return absl::StrFormat("CPU %d's TLB entry for 0x%x %s", cpu_.id,
                             entry.va().value(), what);
    };
    if (page == nullptr || !page->Allows(AccessKind::kRead)) {
      return text("is of a page that is not there");
    }
    if (entry.page_shift > page->shift) return text("is of a larger page");
    if (FrameOf(entry.base) != MfnOf(*page, entry.va())) {
      return text("leads elsewhere");
    }
    if (entry.writable() && !page->Allows(AccessKind::kWrite)) {
      return text("is writable");
    }
    if (!entry.no_execute() && !page->Allows(AccessKind::kExecute)) {
      return text("is executable");
    }
    const bool dirty = (page->flags & pte::kDirty) != 0;
    if (entry.writable() && entry.dirty() && !dirty) {
      return text("is dirty, its page is not");
    }
    return "";
  }

  Mfn MfnOf(const GuestPage& page, VirtAddr va) const {
    const uint64_t place = (va - page.va) >> kPageShift;
    return domain_.p2m().MfnOf(page.pfn + place);
  }

  const Cpu& cpu_;
  const Domain& domain_;
  const GuestPages& pages_;
  bool exact_;
};

}  // namespace

bool GuestPage::Allows(AccessKind kind) const {
  if ((flags & pte::kPresent) == 0 || (flags & pte::kUser) == 0) return false;
  if (kind == AccessKind::kWrite) return (flags & pte::kWritable) != 0;
  return kind != AccessKind::kExecute || (flags & pte::kNoExecute) == 0;
}

GuestView ViewOf(World& world, std::span<const TaskId> tasks) {
  GuestView view;
  Reader reader(world);
  for (const TaskId task : tasks) {
    const auto roots = world.kernel().RootsOf(task);
    if (roots.has_value()) {
      view.processes[task] = reader.Read(*roots);
    } else {
      view.wrong = absl::StrCat("process ", task, " is not there");
    }
  }
  if (!reader.wrong().empty()) view.wrong = reader.wrong();
  return view;
}

std::string FirstDifference(const GuestView& expected, const GuestView& got) {
  for (const GuestView* view : {&expected, &got}) {
    if (!view->wrong.empty()) return view->wrong;
  }
  Numbering expected_frames(expected);
  Numbering got_frames(got);
  for (const auto& [task, pages] : expected.processes) {
    const std::string wrong = FirstDifferenceOf(pages, got.processes.at(task),
                                                expected_frames, got_frames);
    if (!wrong.empty()) return absl::StrCat("process ", task, ": ", wrong);
  }
  return "";
}

std::string FirstStale(World& world, const GuestView& view) {
  for (uint32_t id = 0; id < world.host().cpu_count(); ++id) {
    const VcpuContext* const vcpu = world.cpu(id).current;
    if (vcpu == nullptr) continue;
    for (const auto& [task, pages] : view.processes) {
      const Pfn root = world.kernel().RootsOf(task)->root;
      if (world.domain().p2m().MfnOf(root) != vcpu->guest_table) continue;
      const std::string wrong = CpuCheck(world, id, pages).FirstStale();
      if (!wrong.empty()) return wrong;
      break;  // others have the same tables
    }
  }
  return "";
}

}  // namespace xmmu::conformance
