#include "guest/boot.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_format.h"
#include "xmmu/base/check.h"
#include "xmmu/xen/hypercall.h"

namespace xmmu {
namespace {

// Builds the tables of the kernel's direct map in frames 0, 1, 2, ... of the
// domain. With the hypervisor's rules in force these frames, and no others, are
// mapped read-only.
//
// Whole tables are described to the memory by a rule, not written entry by
// entry, so that the time and host memory that a boot takes do not grow with
// the guest's leaf entries.
class BootTables {
 public:
  BootTables(Host& host, Domain& domain, const GuestAbi& abi)
      : host_(host),
        domain_(domain),
        abi_(abi),
        layout_(LayoutOf(domain.mode())),
        regular_(EntryBytes(domain.mode()) == 8 &&
                 domain.p2m().RunFrom(Pfn(0), frames()) == frames()) {}

  Pfn Build() {
    const Pfn root = BuildTable(LevelCount(domain_.mode()), Pfn(0));
    for (const Leaves& leaves : leaves_) FillLeaves(leaves);
    return root;
  }

  Pfn next_free() const { return next_; }
  Pfn kernel_l2() const { return kernel_l2_; }

 private:
  // L1 tables in frames that follow each other, for pages that do so, too.
  struct Leaves {
    Pfn table;
    uint64_t tables = 0;
    Pfn first;
  };

  uint64_t frames() const { return domain_.p2m().size(); }

  // Writes past the policy, as the domain builder does before the guest runs.
  void Write(Pfn table, int index, Pfn target, uint64_t flags) {
    const PagingMode mode = domain_.mode();
    const Mfn mfn = domain_.p2m().MfnOf(table);
    host_.memory().WriteEntry(
        EntryAddress(mode, AddressOf(mfn), index), EntryBytes(mode),
        Pte(Mfn(domain_.GfnOf(target).value()), flags).raw());
  }

  uint64_t EntryOf(Pfn target, uint64_t flags) const {
    return Pte(Mfn(domain_.GfnOf(target).value()), flags).raw();
  }
  // Lets all entries of `count` tables lead to pages that are `span` apart from
  // `target` on. REQUIRES: regular_.
  void Describe(Pfn table, uint64_t count, Pfn target, uint64_t span,
                uint64_t flags) {
    const Mfn mfn = domain_.p2m().MfnOf(table);
    bool fresh = true;
    for (uint64_t i = 0; i < count; ++i) {
      fresh = fresh && !host_.memory().HasWords(mfn + i);
    }
    const uint64_t first = EntryOf(target, flags);
    const uint64_t step = span << kPageShift;
    if (fresh) return host_.memory().DescribeTables(mfn, count, first, step);
    for (uint64_t word = 0; word < count * kPageSize / 8; ++word) {
      host_.memory().Write64(AddressOf(mfn) + word * 8, first + word * step);
    }
  }
  // Whether the entries of a table of `level` for the pages from `first` on are
  // all in use and follow a rule.
  bool IsWhole(int level, Pfn first) const {
    const PagingMode mode = domain_.mode();
    const uint64_t span = uint64_t{1} << (LevelShift(mode, level) - kPageShift);
    const auto entries = static_cast<uint64_t>(EntryCount(mode, level));
    return regular_ && entries == 512 && level < LevelCount(mode) &&
           first.value() + entries * span <= frames();
  }

  uint64_t LargeLeafFlags() const {
    return pte::kPresent | pte::kWritable | pte::kAccessed | pte::kDirty |
           pte::kPageSize | (abi_.global_pages ? pte::kGlobal : 0);
  }
  static constexpr uint64_t kTableFlags = pte::kPresent | pte::kWritable |
                                          pte::kUser | pte::kAccessed |
                                          pte::kDirty;

  // Builds the entries of a whole L2 table by a rule.
  void BuildWholeL2(Pfn table, Pfn first) {
    constexpr uint64_t kEntries = 512;
    if (abi_.large_pages) {
      return Describe(table, 1, first, kEntries, LargeLeafFlags());
    }
    leaves_.push_back({next_, kEntries, first});
    Describe(table, 1, next_, 1, kTableFlags);
    next_ += kEntries;
  }

  // Builds the table of `level` whose part of the direct map begins at `first`.
  // Leaf tables are filled later, once it is known which frames are tables.
  Pfn BuildTable(int level, Pfn first) {
    const PagingMode mode = domain_.mode();
    const Pfn table = next_;
    ++next_;
    if (mode == PagingMode::kPae && level == 2) kernel_l2_ = table;
    if (level == 1) {
      leaves_.push_back({table, 1, first});
      return table;
    }
    if (level == 2 && IsWhole(level, first)) {
      BuildWholeL2(table, first);
      return table;
    }
    const bool root = level == LevelCount(mode);
    const bool large = level == 2 && abi_.large_pages;
    const bool pdpte = mode == PagingMode::kPae && level == 3;
    const uint64_t span = uint64_t{1} << (LevelShift(mode, level) - kPageShift);
    int index = root ? IndexOf(mode, level, layout_.direct_map) : 0;
    for (Pfn pfn = first;
         pfn.value() < frames() && index < EntryCount(mode, level);
         pfn += span, ++index) {
      if (large) {
        Write(table, index, pfn, LargeLeafFlags());
      } else {
        Write(table, index, BuildTable(level - 1, pfn),
              pdpte ? pte::kPresent : kTableFlags);
      }
    }
    return table;
  }

  // Maps the frames from leaves.first on; tables are read-only to a paravirtual
  // guest. At most one table maps frames of both kinds.
  void FillLeaves(Leaves leaves) {
    const auto count = static_cast<uint64_t>(EntryCount(domain_.mode(), 1));
    while (leaves.tables > 0) {
      const uint64_t whole = WholeLeaves(leaves);
      if (whole > 0) {
        Describe(leaves.table, whole, leaves.first, 1, LeafFlags(leaves.first));
      } else {
        FillLeaf(leaves.table, leaves.first);
      }
      const uint64_t filled = std::max(whole, uint64_t{1});
      leaves.tables -= filled;
      leaves.table += filled;
      leaves.first += filled * count;
    }
  }

  // How many tables, from the first one on, have the same flags in all entries.
  uint64_t WholeLeaves(const Leaves& leaves) const {
    constexpr uint64_t kEntries = 512;
    if (!IsWhole(1, leaves.first)) return 0;
    const uint64_t inside = (frames() - leaves.first.value()) / kEntries;
    const uint64_t first = leaves.first.value();
    const uint64_t alike = !abi_.paravirtual || first >= next_.value()
                               ? leaves.tables
                               : (next_.value() - first) / kEntries;
    return std::min({leaves.tables, inside, alike});
  }

  uint64_t LeafFlags(Pfn pfn) const {
    const bool writable = !abi_.paravirtual || pfn >= next_;
    return pte::kPresent | pte::kAccessed | pte::kDirty |
           (writable ? pte::kWritable : 0);
  }

  void FillLeaf(Pfn table, Pfn pfn) {
    const int count = EntryCount(domain_.mode(), 1);
    for (int i = 0; i < count && pfn.value() < frames(); ++i, ++pfn) {
      Write(table, i, pfn, LeafFlags(pfn));
    }
  }

  Host& host_;
  Domain& domain_;
  const GuestAbi& abi_;
  const KernelLayout layout_;
  const bool regular_;  // frames follow each other, and so do entries of words
  Pfn next_;
  Pfn kernel_l2_ = kInvalidPfn;
  std::vector<Leaves> leaves_;
};

// Large pages of the direct map map 4 MiB at once.
absl::Status CheckGranule(const Domain& domain, const GuestAbi& abi) {
  const uint64_t bytes = domain.p2m().size() << kPageShift;
  const uint64_t granule = uint64_t{4} << 20;
  if (bytes == 0 || (abi.large_pages && bytes % granule != 0)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "guest memory of %d KiB: expected a multiple of 4 MiB", bytes >> 10));
  }
  return absl::OkStatus();
}

// Starts all vCPUs on the boot tables, and asks for writable page tables if the
// kernel stores to tables in use.
absl::Status StartVcpus(KernelCore& core) {
  for (uint32_t id = 0; id < core.domain.vcpu_count(); ++id) {
    VcpuContext& context = core.domain.vcpu(id);
    const absl::Status status = core.policy.StartVcpu(
        context, core.domain.GfnOf(core.init_mm.root), kInvalidGfn);
    if (!status.ok()) return status;
    core.vcpus.push_back(std::make_unique<Vcpu>(core.host, core.policy, context,
                                                core.abi, &core.failure));
    core.init_mm.active |= MaskOf(id);
  }
  if (core.abi.paravirtual && core.traits.needs_stores()) {
    return core.vcpus[0]->Hypercall(VmAssistCall{.enable = true}).status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckMemoryOf(PagingMode mode, uint64_t frames) {
  const uint64_t most = LayoutOf(mode).max_memory;
  if (frames <= most >> kPageShift) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "guest memory of %d MiB: the kernel of a %s guest maps at most %d MiB",
      frames >> (20 - kPageShift), PagingModeName(mode), most >> 20));
}

absl::StatusOr<std::unique_ptr<KernelCore>> BootKernel(
    Host& host, Policy& policy, Domain& domain, const GuestOptions& options) {
  absl::StatusOr<GuestAbi> abi = policy.Abi(domain.mode());
  if (!abi.ok()) return abi.status();
  absl::Status status = CheckGuestOptions(*abi, options);
  if (status.ok()) {
    status = CheckMemoryOf(domain.mode(), domain.p2m().size());
  }
  if (status.ok()) status = CheckGranule(domain, *abi);
  if (!status.ok()) return status;
  BootTables tables(host, domain, *abi);
  const Pfn root = tables.Build();
  auto core = std::make_unique<KernelCore>(host, policy, domain, *abi, options,
                                           tables.next_free());
  core->init_mm.root = root;
  core->init_mm.tables_read_only = abi->paravirtual;
  core->init_mm.users = 1;
  core->kernel_l2 = tables.kernel_l2();
  core->CountTable(static_cast<int64_t>(tables.next_free().value()));
  core->boot_table_frames = core->page_table_frames;
  absl::StatusOr<Pfn> zero_page = core->AllocFrame();
  if (!zero_page.ok()) return zero_page.status();
  core->zero_page = *zero_page;
  status = StartVcpus(*core);
  if (!status.ok()) return status;
  return core;
}

}  // namespace xmmu
