#include "xmmu/sim/run_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "xmmu/mmu/pending_invalidation.h"

namespace xmmu {
namespace {

using Options = SimulatorOptions;
using Text = std::string_view;
using NameList = std::vector<std::string_view>;

// Assumed: no machine here has more; the limit keeps the arithmetic in 64 bits.
constexpr uint64_t kMaxMemoryMib = uint64_t{1} << 24;
constexpr int kMaxFaultAround = 512;  // see CheckGuestOptions()

absl::Status Want(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("want ", what));
}

// Reads all of `text` as a decimal number without blanks or '+'.
template <typename Integer>
bool ReadInteger(Text text, Integer& number) {
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && last == end;
}

// Sets `number` to what `text` says, from `least` to `most`; `what` names the
// unit: "MiB, ".
template <typename Integer>
absl::Status SetInteger(Text text, Integer least, Integer most, Integer& number,
                        absl::string_view what = "") {
  Integer value{};
  if (!ReadInteger(text, value) || value < least || value > most) {
    return Want(absl::StrCat(what, least, " to ", most));
  }
  number = value;
  return absl::OkStatus();
}

absl::Status SetBool(Text text, bool& value) {
  if (text != "true" && text != "false") return Want("true or false");
  value = text == "true";
  return absl::OkStatus();
}

// Sets `member` to the value that `parse` finds by the name `text`.
template <typename Enum, typename Member>
absl::Status SetByName(Text text, std::optional<Enum> (*parse)(Text),
                       const NameList& names, Member& member) {
  const std::optional<Enum> value = parse(text);
  if (!value.has_value()) {
    return absl::InvalidArgumentError(WantedName(text, names));
  }
  member = *value;
  return absl::OkStatus();
}

template <typename Range, typename Name>
NameList AllNames(const Range& values, Name name) {
  NameList names;
  for (const auto& value : values) names.push_back(name(value));
  return names;
}

Cell NameCell(Text name) { return std::string(name); }
Cell IntCell(int number) { return static_cast<uint64_t>(number); }

// These are the names that options take.

NameList MachineNames() {
  return AllNames(Machines(), [](const MachineModel* m) { return m->name; });
}
NameList PolicyNames() {
  return AllNames(Policies(), [](const PolicyEntry& e) { return e.name; });
}
NameList TimingNames() {
  return AllNames(AllMemoryTimings(), &MemoryTimingName);
}
NameList GuestOpsNames() { return AllNames(AllGuestOps(), &GuestOpsName); }
NameList PinNames() { return AllNames(AllPinWhen(), &PinWhenName); }
NameList ThpNames() { return AllNames(AllThp(), &ThpName); }
NameList ReclaimNames() { return AllNames(AllReclaim(), &ReclaimName); }
NameList LinearMapNames() { return AllNames(AllLinearMaps(), &LinearMapName); }

// These options take more than a line to read or set.

Cell GetMachine(const Options& o) {
  return o.custom_machine == nullptr ? o.machine
                                     : NameCell(o.custom_machine->name);
}
// A preset replaces a machine that was loaded from a file.
absl::Status SetMachine(Text text, Options& o) {
  if (FindMachine(text) == nullptr) {
    return absl::InvalidArgumentError(WantedName(text, MachineNames()));
  }
  o.machine = std::string(text);
  o.custom_machine = nullptr;
  return absl::OkStatus();
}

// A built-in strategy replaces a user's own.
absl::Status SetPolicy(Text text, Options& o) {
  if (FindPolicy(text) == nullptr) {
    return absl::InvalidArgumentError(WantedName(text, PolicyNames()));
  }
  o.policy = std::string(text);
  o.custom_policy = {};
  return absl::OkStatus();
}

absl::Status SetLevels(Text text, Options& o) {
  int levels = 0;
  std::optional<PagingMode> mode;
  if (ReadInteger(text, levels)) mode = PagingModeOfLevels(levels);
  if (!mode.has_value()) return Want("2, 3 (PAE), 4 or 5");
  o.mode = *mode;
  return absl::OkStatus();
}

Cell GetOverlap(const Options& o) {
  return Real{o.overlap.hidden_per_mille / 1000.0, 3};
}
// Accepts what C writes as a number, but neither hexadecimal digits, blanks nor
// signs.
absl::Status SetOverlap(Text text, Options& o) {
  double share = 0;
  const bool number =
      text.find_first_of("xX \t\n+") == std::string_view::npos &&
      absl::SimpleAtod(Abs(text), &share);
  const double thousandths = std::round(share * 1000);
  // Decimal fractions are not exact. Every comparison with a NaN is false, so
  // that it is refused.
  const bool whole = std::abs(share * 1000 - thousandths) < 1e-6;
  if (!(number && share >= 0 && share <= 1 && whole)) {
    return Want("0 to 1 in thousandths");
  }
  o.overlap.hidden_per_mille = static_cast<int>(thousandths);
  return absl::OkStatus();
}

absl::Status SetMemory(Text text, Options& o) {
  uint64_t mib = 0;
  const bool good = ReadInteger(text, mib) && mib != 0 && mib % 4 == 0 &&
                    mib <= kMaxMemoryMib;
  if (!good) {
    return Want(absl::StrCat("a multiple of 4 MiB, up to ", kMaxMemoryMib));
  }
  o.guest_memory_bytes = mib << 20;
  return absl::OkStatus();
}

// A power of two is wanted because windows are aligned to their size.
absl::Status SetFaultAround(Text text, Options& o) {
  int pages = 0;
  const bool good = ReadInteger(text, pages) && pages >= 1 &&
                    pages <= kMaxFaultAround && (pages & (pages - 1)) == 0;
  if (!good) return Want("pages, a power of two up to 512");
  o.fault_around_pages = pages;
  return absl::OkStatus();
}

template <typename T>
Cell OptionalCell(const std::optional<T>& value) {
  if (!value.has_value()) return std::monostate();
  return static_cast<uint64_t>(*value);
}

absl::Status SetOptional(Text text, uint64_t least, absl::string_view what,
                         std::optional<uint64_t>& member,
                         uint64_t most = std::numeric_limits<uint64_t>::max()) {
  uint64_t value = 0;
  absl::Status status = SetInteger(text, least, most, value, what);
  if (status.ok()) member = value;
  return status;
}

// These are about operations of a region; 0 has no cell.
Cell CountCell(uint64_t number) { return number == 0 ? Cell() : Cell(number); }
absl::Status SetCount(Text text, uint64_t& number) {
  return SetInteger(text, uint64_t{0}, kMaxRegionOperations, number,
                    "operations, ");
}
absl::Status SetCount(Text text, std::optional<uint64_t>& member) {
  return SetOptional(text, 1, "operations, ", member, kMaxRegionOperations);
}

using enum RunGroup;
using enum RunScope;

constexpr RunField kFields[] = {
    {"machine", "machine", "", "NAME",
     "machine; default xeon-2003, or skylake-2017 with 4 or 5 levels", kMachine,
     kAllRows, &GetMachine, &SetMachine, &MachineNames},
    {"flush_filter", "flush-filter", "", "",
     "the TLB flush filter of machines that have one works; default off",
     kMachine, kAllRows, [](const Options& o) { return Cell(o.flush_filter); },
     [](Text text, Options& o) { return SetBool(text, o.flush_filter); }},
    {"levels", "levels", "", "N",
     "levels of page tables, 2 to 5; default 3 (PAE), or 4 with a machine that "
     "has them",
     kMachine, kAllRows,
     [](const Options& o) { return IntCell(LevelCount(o.mode)); }, &SetLevels},
    {"vcpus", "vcpus", "", "N", "vCPUs of the guest, 1 to 64; default 1",
     kGuest, kAllRows, [](const Options& o) { return IntCell(o.vcpus); },
     [](Text text, Options& o) {
       return SetInteger(text, 1, kMaxCpus, o.vcpus);
     }},
    {"domains", "domains", "", "N",
     "domains with such a guest, 1 to 64, which run the workload one after the "
     "other; default 1",
     kGuest, kAllRows, [](const Options& o) { return IntCell(o.domains); },
     [](Text text, Options& o) {
       return SetInteger(text, 1, kMaxDomains, o.domains);
     }},
    {"timing", "timing", "", "NAME",
     "what memory takes: flat, pte-caches or all-caches; default pte-caches",
     kTiming, kAllRows,
     [](const Options& o) { return NameCell(MemoryTimingName(o.timing)); },
     [](Text text, Options& o) {
       return SetByName(text, &ParseMemoryTiming, TimingNames(), o.timing);
     },
     &TimingNames},
    {"policy", "policies", "", "NAME,...",
     "strategies to compare, or all, or all+variants; default native, pinning, "
     "trap-and-emulate",
     kStrategies, kEachRow, [](const Options& o) { return NameCell(o.policy); },
     &SetPolicy, &PolicyNames},
    {"guest_ops", "guest-ops", "", "NAME,...",
     "how paravirtual guests write page tables, a row for each, or all; "
     "default what the Linux of the time did",
     kStrategies, kEachRow,
     [](const Options& o) {
       return o.guest_ops.has_value() ? NameCell(GuestOpsName(*o.guest_ops))
                                      : Cell();
     },
     [](Text text, Options& o) {
       return SetByName(text, &ParseGuestOps, GuestOpsNames(), o.guest_ops);
     },
     &GuestOpsNames},
    {"pin", "pin", "", "NAME,...",
     "when paravirtual guests pin page tables, a row for each, or all; default "
     "what the Linux of the time did, and for pinning also never",
     kStrategies, kEachRow,
     [](const Options& o) {
       return o.pin.has_value() ? NameCell(PinWhenName(*o.pin)) : Cell();
     },
     [](Text text, Options& o) {
       return SetByName(text, &ParsePinWhen, PinNames(), o.pin);
     },
     &PinNames},
    {"shares_file_pages", "share-file-pages", "", "",
     "after each row of a paravirtual guest one of a guest that shares file "
     "pages with other domains; default off",
     kStrategies, kEachRow,
     [](const Options& o) { return Cell(o.share_file_pages); },
     [](Text text, Options& o) { return SetBool(text, o.share_file_pages); }},
    {"linear_map", "linear-map", "", "NAME,...",
     "how Xen reaches the page tables of paravirtual guests, a row for each, "
     "or all; default what the Xen that ran them did",
     kStrategies, kEachRow,
     [](const Options& o) { return NameCell(LinearMapName(o.linear_map)); },
     [](Text text, Options& o) {
       return SetByName(text, &ParseLinearMap, LinearMapNames(), o.linear_map);
     },
     &LinearMapNames},
    {"walkers", "walkers", "", "N",
     "page walks that may be outstanding, 1 to 16; default 1: one after the "
     "other, the program waiting for each",
     kTiming, kAllRows,
     [](const Options& o) { return IntCell(o.overlap.walkers); },
     [](Text text, Options& o) {
       return SetInteger(text, 1, kMaxWalkers, o.overlap.walkers);
     }},
    {"overlap", "overlap", "", "SHARE",
     "share of TLB, walk and data latency that other work hides, 0 to 1 in "
     "thousandths; default 0",
     kTiming, kAllRows, &GetOverlap, &SetOverlap},
    {"guest_memory_bytes", "memory", "bytes", "MIB",
     "memory of the guest in MiB, a multiple of 4; default 512", kGuest,
     kAllRows, [](const Options& o) { return Cell(o.guest_memory_bytes); },
     &SetMemory},
    {"quantum_ops", "quantum", "operations", "N",
     "accesses of a process between two scheduling decisions; default 100000",
     kGuest, kAllRows,
     [](const Options& o) { return OptionalCell(o.quantum_ops); },
     [](Text text, Options& o) {
       return SetOptional(text, 1, "operations, ", o.quantum_ops);
     }},
    {"fault_around_pages", "fault-around", "pages", "N",
     "file pages mapped by one read fault, a power of two up to 512; default "
     "1, or 16 with 4 or 5 levels",
     kGuest, kAllRows,
     [](const Options& o) { return OptionalCell(o.fault_around_pages); },
     &SetFaultAround},
    {"flush_ceiling_pages", "flush-ceiling", "pages", "N",
     "pages flushed one by one before everything is; default 0, or 33 with 4 "
     "or 5 levels",
     kGuest, kAllRows,
     [](const Options& o) { return OptionalCell(o.flush_ceiling_pages); },
     [](Text text, Options& o) {
       return SetOptional(text, 0, "pages, ", o.flush_ceiling_pages);
     }},
    {"thp", "thp", "", "NAME,...",
     "anonymous memory of programs that gets large pages where the guest has "
     "them, a row for each: never, madvise or always; default madvise with 4 "
     "or 5 levels, else never",
     kGuest, kEachRow,
     [](const Options& o) {
       return o.thp.has_value() ? NameCell(ThpName(*o.thp)) : Cell();
     },
     [](Text text, Options& o) {
       return SetByName(text, &ParseThp, ThpNames(), o.thp);
     },
     &ThpNames},
    {"reclaim", "reclaim", "", "NAME",
     "what a guest without free memory does: none, which is an error, or "
     "clean-file: drop clean pages of files; default none",
     kGuest, kAllRows,
     [](const Options& o) { return NameCell(ReclaimName(o.reclaim)); },
     [](Text text, Options& o) {
       return SetByName(text, &ParseReclaim, ReclaimNames(), o.reclaim);
     },
     &ReclaimNames},
    {"migration.rounds", "migrate", "", "N",
     "rounds of a live migration while the workload runs; default none", kGuest,
     kAllRows,
     [](const Options& o) {
       return o.migration.wanted() ? IntCell(o.migration.rounds) : Cell();
     },
     [](Text text, Options& o) {
       return SetInteger(text, 0, std::numeric_limits<int>::max(),
                         o.migration.rounds, "rounds, ");
     }},
    {"migration.every_ops", "migrate-every", "operations", "N",
     "operations of the workload between two rounds; default 10000", kGuest,
     kAllRows,
     [](const Options& o) {
       return o.migration.wanted() ? Cell(o.migration.every_ops) : Cell();
     },
     [](Text text, Options& o) {
       return SetInteger(text, uint64_t{1},
                         std::numeric_limits<uint64_t>::max(),
                         o.migration.every_ops, "operations, ");
     }},
    {"region.skip", "skip", "operations", "N",
     "operations, over all tasks, that are replayed and not counted; then TLBs "
     "and caches are emptied; default 0",
     kRegion, kAllRows,
     [](const Options& o) { return CountCell(o.region.skip); },
     [](Text text, Options& o) { return SetCount(text, o.region.skip); }},
    {"region.warmup", "warmup", "operations", "N",
     "operations after those that are replayed and not counted, which fill "
     "TLBs and caches; default 0",
     kRegion, kAllRows,
     [](const Options& o) { return CountCell(o.region.warmup); },
     [](Text text, Options& o) { return SetCount(text, o.region.warmup); }},
    {"region.operations", "operations", "operations", "N",
     "operations after those whose cycles and counters are reported; what "
     "follows is replayed, and what is a peak, a state at the end or the "
     "digest is of the whole; default to the end",
     kRegion, kAllRows,
     [](const Options& o) { return OptionalCell(o.region.operations); },
     [](Text text, Options& o) { return SetCount(text, o.region.operations); }},
    {"region.interval", "interval", "operations", "N",
     "cycles and counters are reported every N of these operations as well, "
     "in JSON and CSV; default not",
     kRegion, kAllRows,
     [](const Options& o) { return OptionalCell(o.region.interval); },
     [](Text text, Options& o) { return SetCount(text, o.region.interval); }},
};

}  // namespace

std::span<const RunField> RunFields() { return kFields; }

const RunField* FindRunField(std::string_view key) {
  const auto* const found =
      std::find_if(std::begin(kFields), std::end(kFields),
                   [&](const RunField& field) { return field.key == key; });
  return found == std::end(kFields) ? nullptr : found;
}

}  // namespace xmmu
