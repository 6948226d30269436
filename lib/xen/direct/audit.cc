#include "xen/direct/audit.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "pv_rules.h"
#include "xmmu/base/check.h"
#include "xmmu/machine/pte.h"

namespace xmmu {
namespace {

// The holder of a reference: an entry of a table, or something with a name.
struct Referrer {
  std::string_view name;
  int level = 0;
  Mfn table = kInvalidMfn;
  int slot = 0;

  std::string ToString() const {
    if (table == kInvalidMfn) return std::string(name);
    return absl::StrCat("L", level, " frame ", table.value(), " slot ", slot);
  }
};

struct Recount {
  uint64_t refs = 0;
  uint64_t types = 0;
  int linear = 0;
  uint64_t hooks = 0;  // see HooksOf()
};

class Auditor {
 public:
  Auditor(const Host& host, const Domain& domain, const PvRules& rules)
      : host_(host),
        domain_(domain),
        rules_(rules),
        counts_(domain.p2m().size()) {}

  absl::Status Run(std::span<const HeldReference> held) {
    for (uint64_t i = 0; i < counts_.size(); ++i) CountPage(Pfn(i));
    for (uint32_t i = 0; i < domain_.vcpu_count(); ++i) {
      CountVcpu(domain_.vcpu(i));
    }
    for (const HeldReference& reference : held) {
      ReferAs(reference.mfn, reference.type, {"the caller of the audit"});
    }
    for (uint64_t i = 0; i < counts_.size() && first_.empty(); ++i) {
      Compare(Pfn(i));
    }
    CompareShared();
    return first_.empty() ? absl::OkStatus() : absl::InternalError(first_);
  }

 private:
  // What the frame table knows of the page at `pfn`; nothing if there is none.
  std::optional<PageInfo> PageOf(Pfn pfn) const {
    const Mfn mfn = domain_.p2m().MfnOf(pfn);
    if (mfn == kInvalidMfn) return std::nullopt;
    return host_.frames()[mfn];
  }

  // The recount of a frame of the domain's; nullptr for any other frame.
  Recount* CountOf(Mfn mfn) {
    const Pfn pfn = domain_.p2m().PfnOf(mfn);
    return pfn == kInvalidPfn ? nullptr : &counts_[pfn.value()];
  }

  // Keeps the first difference only.
  void Note(std::string what) {
    if (first_.empty()) first_ = std::move(what);
  }

  // Counts a general reference to `mfn`.
  void Refer(Mfn mfn) {
    if (Recount* count = CountOf(mfn)) ++count->refs;
  }

  // Counts a reference to `mfn` as a `type`, held by `who`.
  void ReferAs(Mfn mfn, PageType type, const Referrer& who) {
    Refer(mfn);
    Recount* const count = CountOf(mfn);
    if (count == nullptr) {
      return Note(absl::StrCat(who.ToString(), " refers to frame ", mfn.value(),
                               ", which is not the domain's"));
    }
    ++count->types;
    if (host_.frames()[mfn].type != type) {
      Note(absl::StrCat(who.ToString(), " uses frame ", mfn.value(),
                        " as another type than it has"));
    }
  }

  // Counts the references that the page at `pfn` holds, and those of its flags.
  void CountPage(Pfn pfn) {
    const std::optional<PageInfo> page = PageOf(pfn);
    if (!page.has_value()) return;
    Recount& count = counts_[pfn.value()];
    if (page->allocated) ++count.refs;
    if (page->pinned) {
      ++count.refs;
      ++count.types;
    }
    if (page->validated && IsPageTable(page->type)) CountTable(pfn, *page);
  }

  // Counts the references of a table's entries, as if the table were closed.
  void CountTable(Pfn pfn, const PageInfo& page) {
    const int level = LevelOf(page.type);
    const Mfn table = domain_.p2m().MfnOf(pfn);
    // The entries of an open table that hold references are in its snapshot.
    const Mfn valid = SnapshotOf(table);
    if (!host_.memory().HasWords(valid)) return;
    for (int slot = 0; slot < EntryCount(rules_.mode, level); ++slot) {
      const bool kernel_l2 = !rules_.kernel_l2 || page.pae_xen_l2;
      if (level == rules_.xen_slots.level && kernel_l2 &&
          rules_.xen_slots.Contains(slot)) {
        continue;
      }
      const MachineAddr where =
          EntryAddress(rules_.mode, AddressOf(table), slot);
      const Pte entry = AsCounted(
          where,
          Pte(host_.memory().ReadEntry(AddressOf(valid) + PageOffset(where),
                                       EntryBytes(rules_.mode))));
      if (entry.present()) CountEntry(entry, {{}, level, table, slot});
    }
  }

  // The frame whose entries hold references: the table itself, or the snapshot
  // of an open one.
  Mfn SnapshotOf(Mfn table) const {
    const PtwrInfo* const open = domain_.direct().FindOpen(table);
    const bool snapshot =
        open != nullptr && open->method == PtwrMethod::kSnapshot;
    return snapshot ? open->snapshot : table;
  }

  // An entry as it would be if no table were open: an unhooked entry is
  // present, and the mapping of an open table is read-only and leads to the
  // table itself. For a table that has lost its type both entries count as they
  // are.
  Pte AsCounted(MachineAddr where, Pte entry) const {
    for (const PtwrInfo& open : domain_.direct().ptwr()) {
      if (!open.in_use() || open.method == PtwrMethod::kRevalidate) continue;
      const bool active = &open == &domain_.direct().ptwr(PtwrSlot::kActive);
      if (active && where == open.l2_entry) {
        entry = entry.With(pte::kPresent);
      } else if (where == open.mapping) {
        entry = Pte(open.table, entry.flags()).Without(pte::kWritable);
      }
    }
    return entry;
  }

  // How many entries refer to the frame as the table that it was until it was
  // opened.
  uint64_t HooksOf(Mfn mfn) const {
    const PtwrInfo* const open = domain_.direct().FindOpen(mfn);
    const bool is_page =
        open != nullptr && open->method == PtwrMethod::kRevalidate;
    return is_page ? open->hooks : 0;
  }

  // Counts the references of one present entry.
  void CountEntry(Pte entry, const Referrer& who) {
    const Mfn target = entry.frame();
    if (who.level == 1) return CountLeaf(entry, who);
    if (target == who.table) return;
    if (!host_.frames().Valid(target)) {
      return Note(who.ToString() + " refers nowhere");
    }
    if (who.level == 2 && HooksOf(target) > 0) {
      Refer(target);
      if (Recount* to = CountOf(target)) ++to->hooks;
      return;
    }
    const bool linear = host_.frames()[target].type == TableType(who.level);
    ReferAs(target, TableType(linear ? who.level : who.level - 1), who);
    if (!linear) return;
    if (Recount* from = CountOf(who.table)) ++from->linear;
    if (Recount* to = CountOf(target)) --to->linear;
  }

  // Counts the references of one L1 entry.
  void CountLeaf(Pte entry, const Referrer& who) {
    const Mfn target = entry.frame();
    if (!host_.frames().Valid(target)) return;  // device memory
    const PageInfo& page = host_.frames()[target];
    if (!page.is_ram || page.owner == kDomIo) return;
    if (page.owner == kDomXen) return;
    if (page.owner == kDomCow) {
      if (entry.writable()) Note(who.ToString() + " writes to a shared frame");
      ++shared_[target];
      return;
    }
    if (page.owner != domain_.id()) {
      return Note(who.ToString() + " maps a frame that is not the domain's");
    }
    if (entry.writable()) {
      ReferAs(target, PageType::kWritable, who);
    } else {
      Refer(target);
    }
  }

  // Counts the references of a vCPU's roots and descriptor table.
  void CountVcpu(const VcpuContext& vcpu) {
    const PageType root = TableType(LevelCount(rules_.mode));
    if (vcpu.guest_table != kInvalidMfn) {
      ReferAs(vcpu.guest_table, root, {"the base pointer"});
    }
    if (vcpu.guest_table_user != kInvalidMfn) {
      ReferAs(vcpu.guest_table_user, root, {"the user base pointer"});
    }
    for (const Mfn mfn : domain_.direct().vcpu(vcpu.id).gdt_frames) {
      ReferAs(mfn, PageType::kSegDesc, {"the descriptor table"});
    }
  }

  // Compares the counts of the page at `pfn` with the frame table's.
  void Compare(Pfn pfn) {
    const std::optional<PageInfo> page = PageOf(pfn);
    if (!page.has_value()) return;
    const Recount& count = counts_[pfn.value()];
    std::string difference = Difference(*page, count);
    const uint64_t hooks = HooksOf(domain_.p2m().MfnOf(pfn));
    if (difference.empty() && hooks != count.hooks) {
      difference = absl::StrCat(" is open, was hooked at ", hooks,
                                " places, recounted ", count.hooks);
    }
    if (!difference.empty()) {
      Note(absl::StrCat("pfn ", pfn.value(), difference));
    }
  }

  // Compares the mappings of shared frames that the table of shared contents
  // has counted with those found.
  void CompareShared() {
    for (const auto& [mfn, frame] : host_.sharing().frames()) {
      const uint64_t counted = host_.sharing().Mappings(mfn, domain_.id());
      const auto it = shared_.find(mfn);
      const uint64_t found = it == shared_.end() ? 0 : it->second;
      if (it != shared_.end()) shared_.erase(it);
      if (counted == found) continue;
      Note(absl::StrCat("shared frame ", mfn.value(), " has ", counted,
                        " mappings of the domain's, recounted ", found));
    }
    if (shared_.empty()) return;
    Note(absl::StrCat("frame ", shared_.begin()->first.value(),
                      " is mapped as shared and is not"));
  }

  // What differs, in words; "" if nothing does.
  static std::string Difference(const PageInfo& page, const Recount& count) {
    if (page.ref_count != count.refs) {
      return absl::StrCat(" has ", page.ref_count, " references, recounted ",
                          count.refs);
    }
    if (page.type_count != count.types) {
      return absl::StrCat(" has type count ", page.type_count, ", recounted ",
                          count.types);
    }
    if (!IsPageTable(page.type)) return "";
    if (page.validated != (page.type_count > 0)) {
      return " is a table validated without use, or the reverse";
    }
    if (page.validated && page.linear_pt_count != count.linear) {
      return absl::StrCat(" has linear count ", page.linear_pt_count,
                          ", recounted ", count.linear);
    }
    return "";
  }

  const Host& host_;
  const Domain& domain_;
  const PvRules& rules_;
  std::vector<Recount> counts_;
  absl::btree_map<Mfn, uint64_t> shared_;  // mappings found
  std::string first_;
};

// What is wrong with a shared frame; "" if nothing is.
std::string JudgeShared(const Host& host, Mfn mfn,
                        const SharedPages::Frame& frame) {
  const PageInfo& page = host.frames()[mfn];
  uint64_t mappings = 0;
  for (const auto& [domain, count] : frame.mappings) mappings += count;
  if (page.owner != kDomCow || page.allocated) return " has an owner";
  if (page.type != PageType::kShared || page.type_count != 1) {
    return " is not of the shared type";
  }
  if (page.ref_count != mappings || mappings == 0) {
    return absl::StrCat(" has ", page.ref_count, " references, recounted ",
                        mappings);
  }
  if (HashContent(host.memory(), mfn) != frame.hash) return " has changed";
  return "";
}

}  // namespace

absl::Status AuditDomain(const Host& host, const Domain& domain,
                         std::span<const HeldReference> held) {
  const PvRules* rules =
      FindPvRules(domain.mode(), host.model().features, host.linear_map());
  XMMU_CHECK(rules != nullptr && !domain.translated());
  return Auditor(host, domain, *rules).Run(held);
}

absl::Status AuditSharing(const Host& host) {
  for (const auto& [mfn, frame] : host.sharing().frames()) {
    const std::string wrong = JudgeShared(host, mfn, frame);
    if (wrong.empty()) continue;
    return absl::InternalError(
        absl::StrCat("shared frame ", mfn.value(), wrong));
  }
  return absl::OkStatus();
}

}  // namespace xmmu
