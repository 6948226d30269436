#ifndef XMMU_TESTING_CONFORMANCE_NESTED_VIEW_H_
#define XMMU_TESTING_CONFORMANCE_NESTED_VIEW_H_

// What guests on nested tables can reach, as the processors see it: by nested
// tables, by combined entries of TLBs and paging-structure caches, and by what
// is cached of guest-physical addresses. A page or table of the guest must be a
// frame of its domain; a table that translates for it must be none.

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_format.h"
#include "xmmu/machine/pte.h"
#include "xmmu/xen/host.h"

namespace xmmu::conformance {

class NestedView {
 public:
  explicit NestedView(Host& host) : host_(host) {}

  // How a guest gets out; "" if none does.
  std::string FirstEscape() {
    for (size_t i = 0; i < host_.domain_count(); ++i) {
      const Domain& domain = host_.domain(i);
      for (uint32_t id = 0; id < domain.vcpu_count(); ++id) {
        const VmControls& vm = domain.vcpu(id).vm;
        if (!vm.nested || !tables_.insert(FrameOf(vm.root)).second) continue;
        const std::string wrong =
            Table(domain, FrameOf(vm.root), LevelCount(vm.nested_mode));
        if (!wrong.empty()) return "nested tables lead to " + wrong;
      }
    }
    for (uint32_t id = 0; id < host_.cpu_count(); ++id) {
      std::string wrong = Combined(host_.cpu(id));
      if (wrong.empty()) wrong = GuestPhysical(host_.cpu(id));
      if (!wrong.empty()) return absl::StrFormat("CPU %d: %s", id, wrong);
    }
    return "";
  }

 private:
  std::string Frames(const Domain& domain, Mfn first, int shift) const {
    const uint64_t frames = uint64_t{1} << (shift - kPageShift);
    for (uint64_t i = 0; i < frames; ++i) {
      if (!host_.frames().Valid(first + i)) return "a frame that is not there";
      if (host_.frames()[first + i].owner == domain.id()) continue;
      return absl::StrFormat("frame 0x%x, not domain %d's", (first + i).value(),
                             domain.id());
    }
    return "";
  }

  std::string Table(const Domain& domain, Mfn table, int level) {
    if (host_.frames()[table].owner != kDomInvalid) {
      return absl::StrFormat("frame 0x%x of a domain as a nested table",
                             table.value());
    }
    for (int i = 0; i < 512; ++i) {
      const Pte entry(host_.memory().Read64(
          EntryAddress(PagingMode::k4Level, AddressOf(table), i)));
      if (entry.raw() == 0) continue;
      std::string wrong;
      if (level == 1 || entry.page_size()) {
        wrong = Frames(domain, entry.frame(),
                       LevelShift(PagingMode::k4Level, level));
      } else {
        tables_.insert(entry.frame());
        wrong = Table(domain, entry.frame(), level - 1);
      }
      if (!wrong.empty()) return wrong;
    }
    return "";
  }

  // Whose a combined entry is.
  const Domain* OwnerOf(const Cpu& cpu, VmTag tag) const {
    if (tag.vpid == 0) {
      return cpu.current == nullptr ? nullptr : cpu.current->domain;
    }
    for (size_t i = 0; i < host_.domain_count(); ++i) {
      const Domain& domain = host_.domain(i);
      for (uint32_t id = 0; id < domain.vcpu_count(); ++id) {
        if (domain.vcpu(id).vm.tag == tag.vpid) return &domain;
      }
    }
    return nullptr;
  }

  std::string Combined(const Cpu& cpu) const {
    for (const TlbEntry& entry : cpu.mmu.TlbEntries()) {
      if (entry.vm == VmTag()) continue;
      const Domain* const domain = OwnerOf(cpu, entry.vm);
      if (domain == nullptr) return "a TLB entry of nobody";
      const std::string wrong =
          Frames(*domain, FrameOf(entry.base), entry.page_shift);
      if (!wrong.empty()) {
        return absl::StrFormat("a TLB entry for 0x%x leads to %s",
                               entry.va().value(), wrong);
      }
    }
    for (const auto& entry : cpu.mmu.PagingStructureEntries()) {
      if (entry.tag == VmTag()) continue;
      const Domain* const domain = OwnerOf(cpu, entry.tag);
      if (domain == nullptr) return "a paging-structure entry of nobody";
      const std::string wrong =
          Frames(*domain, FrameOf(entry.table), kPageShift);
      if (!wrong.empty()) return "a paging-structure entry leads to " + wrong;
    }
    return "";
  }

  // Roots have numbers of the processor's own: a page that is where some
  // domain's P2M has it is right.
  std::string GuestPhysical(const Cpu& cpu) const {
    for (const NestedPage& page : cpu.mmu.NestedTlbEntries()) {
      bool right = false;
      for (size_t i = 0; i < host_.domain_count() && !right; ++i) {
        right = Frames(host_.domain(i), FrameOf(page.base), page.page_shift)
                    .empty() &&
                host_.domain(i).p2m().MfnOf(Pfn(FrameOf(page.gpa).value())) ==
                    FrameOf(page.base);
      }
      if (right) continue;
      return absl::StrFormat("the nested TLB has 0x%x at frame 0x%x",
                             page.gpa.value(), FrameOf(page.base).value());
    }
    for (const auto& entry : cpu.mmu.NestedStructureEntries()) {
      if (tables_.contains(FrameOf(entry.table))) continue;
      return absl::StrFormat(
          "a nested paging-structure entry leads to frame 0x%x",
          FrameOf(entry.table).value());
    }
    return "";
  }

  Host& host_;
  absl::flat_hash_set<Mfn> tables_;  // in use; only looked up
};

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_NESTED_VIEW_H_
