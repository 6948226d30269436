#ifndef XMMU_LIB_GUEST_KERNEL_CORE_H_
#define XMMU_LIB_GUEST_KERNEL_CORE_H_

// KernelCore is what all parts of one guest kernel share: the door to each
// vCPU, the layout, the page allocator, and the kernel's own address space.

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "guest/address_space.h"
#include "guest/frame_pool.h"
#include "guest/kernel_layout.h"
#include "guest/kernel_traits.h"
#include "guest/shared_frames.h"
#include "xmmu/guest/guest_options.h"
#include "xmmu/guest/vcpu.h"
#include "xmmu/machine/pte.h"

namespace xmmu {

// A slot of an L1 table, or of a table of `level` that maps a large page there;
// `va` is the first address it maps.
struct PteSlot {
  Pfn table;
  int index = 0;
  VirtAddr va;
  int level = 1;
};

struct KernelCore {
  KernelCore(Host& host_in, Policy& policy_in, Domain& domain_in,
             const GuestAbi& abi_in, const GuestOptions& options_in,
             Pfn first_free)
      : host(host_in),
        policy(policy_in),
        domain(domain_in),
        abi(abi_in),
        options(options_in),
        traits(TraitsOf(options_in.ops)),
        layout(LayoutOf(domain_in.mode())),
        frames(first_free, Pfn(domain_in.p2m().size()),
               domain_in.GfnOf(Pfn(0)).value(),
               uint64_t{1} << (LevelShift(domain_in.mode(), 2) - kPageShift)) {}

  Host& host;
  Policy& policy;
  Domain& domain;
  const GuestAbi abi;
  const GuestOptions options;
  const KernelTraits& traits;
  const KernelLayout layout;
  FramePool frames;
  SharedFrames shared;
  std::vector<std::unique_ptr<Vcpu>> vcpus;

  AddressSpace init_mm;         // boot tables
  Pfn kernel_l2 = kInvalidPfn;  // PAE: the L2 that maps the kernel
  Pfn zero_page = kInvalidPfn;
  // The large page of zeros, made when it is first needed. The kernel itself
  // holds one mapping of it (Linux gives it up when memory runs short).
  Pfn huge_zero_page = kInvalidPfn;

  // How far from the start of the direct map the kernel's other mappings reach;
  // 0 if there are none.
  uint64_t kernel_bytes = 0;

  uint64_t page_table_frames = 0;
  uint64_t peak_page_table_frames = 0;
  // The frames of the boot's own tables, and how many other address spaces
  // there are now and were when page_table_frames reached its peak.
  uint64_t boot_table_frames = 0;
  uint64_t address_spaces = 0;
  uint64_t peak_address_spaces = 0;

  uint64_t epochs = 0;  // the last one given out, see AddressSpace::epoch

  // The first request of this kernel that was refused, which on a real machine
  // is the kernel's BUG(). Work goes on to the end of the operation at hand.
  absl::Status failure;
  void Fail(const absl::Status& status) {
    if (failure.ok()) failure = status;
  }

  PagingMode mode() const { return layout.mode; }
  int levels() const { return LevelCount(layout.mode); }
  int entry_bytes() const { return EntryBytes(layout.mode); }
  // Returns the level of the entries that map pages of 2^`page_shift` bytes, or
  // the next smaller ones that this guest has.
  int LevelOfPages(int page_shift) const {
    const auto has = [&](int level) {
      return abi.large_pages && LevelShift(mode(), level) <= page_shift;
    };
    if (levels() >= 4 && abi.pages_1g && has(3)) return 3;
    return has(2) ? 2 : 1;
  }
  bool has_no_execute() const {
    return mode() != PagingMode::k2Level && host.model().features.nx;
  }

  VirtAddr EntryVa(Pfn table, int index) const {
    return layout.DirectVa(table) +
           static_cast<uint64_t>(index) * static_cast<uint64_t>(entry_bytes());
  }
  MachineAddr EntryMachineAddr(Pfn table, int index) const {
    return EntryAddress(mode(), AddressOf(domain.p2m().MfnOf(table)), index);
  }
  // Returns the frame that holds a page: the guest's own or a shared one.
  Mfn MfnOf(Pfn pfn) const {
    if (!shared.empty() && shared.Contains(pfn)) return shared.MfnOf(pfn);
    return domain.p2m().MfnOf(pfn);
  }
  // Makes an entry as the guest writes it; that of a shared page has its mark.
  uint64_t MakeEntry(Pfn pfn, uint64_t flags) const {
    if (!shared.empty() && shared.Contains(pfn)) {
      return Pte(shared.MfnOf(pfn), flags | kSharedMark).raw();
    }
    return Pte(Mfn(domain.GfnOf(pfn).value()), flags).raw();
  }
  // Returns the page that an entry names.
  Pfn PfnOf(uint64_t entry) const {
    if (!shared.empty() && (entry & kSharedMark) != 0) {
      return shared.PfnOf(Pte(entry).frame());
    }
    return domain.PfnOf(Gfn(Pte(entry).frame().value()));
  }
  // Makes an entry of `level` that links a table of the level below.
  uint64_t MakeTableEntry(int level, Pfn table) const {
    // PAE's L3 entries have no access rights.
    const bool pdpte = mode() == PagingMode::kPae && level == 3;
    return MakeEntry(table, pdpte
                                ? pte::kPresent
                                : pte::kPresent | pte::kWritable | pte::kUser |
                                      pte::kAccessed | pte::kDirty);
  }
  // Makes the entry by which the kernel maps a page in its direct map.
  uint64_t MakeKernelEntry(Pfn pfn, bool writable) const {
    return MakeEntry(pfn, pte::kPresent | pte::kAccessed | pte::kDirty |
                              (writable ? pte::kWritable : 0));
  }

  absl::StatusOr<Pfn> AllocFrame() {
    if (const std::optional<Pfn> pfn = frames.Alloc()) return *pfn;
    return absl::ResourceExhaustedError(
        "the guest is out of memory; give it more (--memory)");
  }
  // Counts table frames and keeps their peak.
  void CountTable(int64_t change) {
    page_table_frames =
        static_cast<uint64_t>(static_cast<int64_t>(page_table_frames) + change);
    if (page_table_frames <= peak_page_table_frames) return;
    peak_page_table_frames = page_table_frames;
    peak_address_spaces = address_spaces;
  }
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_KERNEL_CORE_H_
