// Pages of MAP_HUGETLB mappings (Linux 6.1: mm/hugetlb.c). A mapping asks for
// pages of a size, and its ends lie between them whatever the guest has: if
// that is smaller pages, each is mapped by itself. They come from the guest's
// memory as all pages do (simplified: Linux takes them from a pool, filled by
// /proc/sys/vm/nr_hugepages), and their tables are nobody else's
// (huge_pmd_share is left out).

#include "absl/strings/str_format.h"
#include "guest/kernel_span.h"
#include "guest/memory_manager.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// Pages of 8 KiB to 512 GiB, none of which but three any machine has.
constexpr int kLeastShift = kPageShift + 1;
constexpr int kMostShift = 39;

}  // namespace

// The length is rounded up to whole pages (ksys_mmap_pgoff); addresses and
// offsets have to be (hugetlb_get_unmapped_area, hugetlbfs_file_mmap).
absl::StatusOr<MemoryManager::Range> MemoryManager::MapRange(
    const GuestOp& op) const {
  const int shift = op.page_shift;
  if (shift == 0) return PageRange(op.va, op.length);
  if (shift < kLeastShift || shift > kMostShift) {
    return absl::InvalidArgumentError(
        absl::StrFormat("mmap of pages of 2^%d bytes: expected 2^%d to 2^%d",
                        shift, kLeastShift, kMostShift));
  }
  const uint64_t size = uint64_t{1} << shift;
  if (((op.va.value() | op.file_offset) & (size - 1)) != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "mmap of pages of 0x%x bytes at 0x%x, offset 0x%x: expected multiples "
        "of that size",
        size, op.va.value(), op.file_offset));
  }
  absl::StatusOr<Range> range = PageRange(op.va, op.length);
  if (!range.ok()) return range;
  const uint64_t length = (range->end - range->start + size - 1) & ~(size - 1);
  return PageRange(op.va, length);
}

bool MemoryManager::CutsHugetlb(const AddressSpace& mm, const Range& range) {
  for (const VirtAddr edge : {range.start, range.end}) {
    const Vma* const vma = mm.vmas.Find(edge);
    const bool inside = vma != nullptr && vma->start < edge;
    if (inside && vma->hugetlb() && !vma->IsBetweenPages(edge)) return true;
  }
  return false;
}

absl::Status MemoryManager::RefuseToCut(const AddressSpace& mm,
                                        const Range& range,
                                        std::string_view call) {
  if (mm.changed_by_several) return absl::OkStatus();  // the program's error
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s of 0x%x bytes at 0x%x: it would cut a page of MAP_HUGETLB", call,
      range.end - range.start, range.start.value()));
}

absl::StatusOr<Pfn> MemoryManager::AllocHugetlb(int level) {
  if (const auto head = core_.frames.AllocBlock(LeafFrames(level))) {
    return *head;
  }
  return absl::ResourceExhaustedError(absl::StrFormat(
      "the guest has no %d MiB in one piece for MAP_HUGETLB; give it more "
      "(--memory)",
      LeafFrames(level) >> 8));
}

absl::StatusOr<Pfn> MemoryManager::NewHugetlbPage(Vcpu& vcpu, int level) {
  absl::StatusOr<Pfn> head = AllocHugetlb(level);
  if (head.ok()) ZeroBlock(vcpu, *head, LeafFrames(level));
  return head;
}

absl::StatusOr<Pfn> MemoryManager::CopyOfHugetlb(Vcpu& vcpu, int level,
                                                 Pfn head) {
  absl::StatusOr<Pfn> copy = AllocHugetlb(level);
  if (!copy.ok()) return copy;
  for (uint64_t i = 0; i < LeafFrames(level); ++i) {
    vcpu.CopyPage(core_.layout.DirectVa(*copy + i),
                  core_.layout.DirectVa(head + i));
  }
  vcpu.cpu().counters.Add(Counter::kCowCopies);
  return copy;
}

// A shared mapping's page becomes the file's. A private one reads the file's if
// it is in memory, and else has one of its own from the start: there is no zero
// page of such a size.
absl::StatusOr<Pfn> MemoryManager::HugetlbPage(Vcpu& vcpu, const Vma& vma,
                                               const PteSlot& slot, bool* own) {
  *own = !vma.shared();
  if (vma.file == nullptr) return NewHugetlbPage(vcpu, slot.level);
  auto& pages = vma.file->large_pages;
  const std::pair<int, uint64_t> key{slot.level, vma.FilePage(slot.va)};
  if (const auto it = pages.find(key); it != pages.end()) {
    *own = false;
    core_.frames.GetBlock(it->second);
    return it->second;
  }
  absl::StatusOr<Pfn> page = NewHugetlbPage(vcpu, slot.level);
  if (!page.ok() || !vma.shared()) return page;
  pages.emplace(key, *page);
  core_.frames.GetBlock(*page);
  return page;
}

// A private mapping that is read gets no write access (hugetlb_no_page); one
// that is written gets a page of its own at once.
absl::Status MemoryManager::FaultInHugetlb(Vcpu& vcpu, AddressSpace& mm,
                                           Vma& vma, const PteSlot& slot,
                                           bool write) {
  bool own = false;
  absl::StatusOr<Pfn> page = HugetlbPage(vcpu, vma, slot, &own);
  if (!page.ok()) return page.status();
  if (!vma.shared()) {
    vma.has_own_pages = true;
    if (write && !own) {
      const Pfn of_file = *page;
      page = CopyOfHugetlb(vcpu, slot.level, of_file);
      core_.frames.PutBlock(of_file);
      if (!page.ok()) return page.status();
      own = true;
    }
    core_.frames.SetExclusive(*page, own);
  }
  const bool writable = vma.shared() ? (vma.rights & kMapWrite) != 0 : write;
  ops_.InstallPte(vcpu, mm, slot, LeafEntry(*page, vma, writable, write));
  vcpu.cpu().counters.Add(Counter::kHugetlbMapped);
  return absl::OkStatus();
}

// The whole page is copied, unless nobody else has it (hugetlb_wp).
absl::Status MemoryManager::BreakCowOfHugetlb(Vcpu& vcpu, AddressSpace& mm,
                                              Vma& vma, const PteSlot& slot,
                                              uint64_t entry) {
  const Pfn page = core_.PfnOf(entry);
  if (vma.shared() || core_.frames.references(page) == 1) {
    vcpu.cpu().counters.Add(Counter::kCowReuses);
    if (!vma.shared()) core_.frames.SetExclusive(page, true);
    ops_.UpgradePte(vcpu, mm, slot, LeafEntry(page, vma, true, true));
    return absl::OkStatus();
  }
  const absl::StatusOr<Pfn> copy = CopyOfHugetlb(vcpu, slot.level, page);
  if (!copy.ok()) return copy.status();
  core_.frames.SetExclusive(*copy, true);
  ops_.ReplacePte(vcpu, mm, slot, LeafEntry(*copy, vma, true, true));
  core_.frames.PutBlock(page);
  return absl::OkStatus();
}

absl::StatusOr<FaultResult> MemoryManager::MakeHugetlbPage(
    Vcpu& vcpu, AddressSpace& mm, Vma& vma, VirtAddr va, bool write) {
  const Span span = KernelSpan(vcpu, "hugetlb_fault");
  const int level = core_.LevelOfPages(vma.page_shift);
  Reserve(vcpu, LeafFrames(level));
  const absl::StatusOr<PteSlot> slot = tables_.Make(vcpu, mm, va, level);
  if (!slot.ok()) return slot.status();
  XMMU_CHECK(slot->level == level);
  const Pte entry(tables_.Load(vcpu, *slot));
  absl::Status status;
  if (entry.raw() == 0) {
    status = FaultInHugetlb(vcpu, mm, vma, *slot, write);
  } else if (write && !entry.writable()) {
    status = BreakCowOfHugetlb(vcpu, mm, vma, *slot, entry.raw());
  } else {
    return FaultResult::kSpurious;
  }
  if (!status.ok()) return status;
  return FaultResult::kResolved;
}

// All is flushed in the end (move_hugetlb_page_tables).
absl::Status MemoryManager::MoveHugetlb(Vcpu& vcpu, AddressSpace& mm,
                                        const Range& from, VirtAddr to,
                                        int level) {
  TlbGather gather;
  for (VirtAddr va = from.start; va < from.end;) {
    int absent_level = level;
    const std::optional<PteSlot> slot =
        tables_.Find(vcpu, mm, va, &absent_level);
    if (slot.has_value()) {
      const absl::StatusOr<PteSlot> target =
          tables_.Make(vcpu, mm, to + (va - from.start), level);
      if (!target.ok()) return target.status();
      ops_.SetPte(vcpu, mm, *target, ops_.ClearPte(vcpu, mm, *slot));
      gather.AddLeaf(va, level);
    }
    va = tables_.EndOfEntry(absent_level, va);
  }
  FlushGather(vcpu, mm, gather);
  return absl::OkStatus();
}

}  // namespace xmmu
