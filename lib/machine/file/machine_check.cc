// Checks that a machine can be simulated, whether it was built by hand, read
// from a file or changed by settings.

#include <bit>
#include <initializer_list>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "machine/file/machine_fields.h"
#include "xmmu/machine/machine_file.h"

namespace xmmu {
namespace {

// Tlb numbers its entries by 16 bits and keeps one slot for itself.
constexpr uint32_t kMostTlbEntries = (1 << 16) - 1;
constexpr uint32_t kMostWays = 1 << 12;
// The flush filter's tags are kept where PCIDs are, which have 12 bits.
constexpr uint64_t kMostAddressSpaces = 1 << 12;
constexpr uint64_t kLeastLineBytes = 64;

uint64_t NumberOf(const MachineField& field) {
  return static_cast<uint64_t>(std::get<int64_t>(ValueOf(field)));
}

// Returns the number in the field called `name`, or 0 if there is no such
// field.
uint64_t NumberOf(const MachineSection& section, std::string_view name) {
  for (const MachineField& field : section.fields) {
    if (field.name == name) return NumberOf(field);
  }
  return 0;
}

// Finds a field whose value SetField() would refuse: a model built by hand has
// never passed there. Page sizes are checked first, as their text leaves out
// bits that it has no word for.
std::string FieldComplaint(const MachineSection& section) {
  for (const MachineField& field : section.fields) {
    const auto* sizes = std::get_if<PageSizesSlot>(&field.slot);
    constexpr int kAll = kTlb4K | kTlbLarge | kTlb1G;
    if (sizes != nullptr && (*sizes->sizes & ~kAll) != 0) {
      return absl::StrCat(Abs(field.name), " ", *sizes->sizes,
                          ": want TlbPageSizes");
    }
    const MachineValue value = ValueOf(field);
    const std::string want = SetField(field, value);
    if (want.empty()) continue;
    return absl::StrCat(Abs(field.name), " ", TextOf(value), ": ", want);
  }
  return "";
}

// The band must hold the value; a band of 0 to 0 means that there is none where
// it may be left out.
std::string BandComplaint(const MachineSection& section) {
  if (section.low == nullptr) return "";
  const uint64_t number = NumberOf(section.fields.front());
  const bool open = section.band_optional && *section.high == 0;
  if (open && *section.low == 0) return "";
  if (number >= *section.low && number <= *section.high) return "";
  return absl::StrCat(Abs(section.fields.front().name), " ", number,
                      " is not in the band of ", *section.low, " to ",
                      *section.high);
}

// A cache must divide into its ways, and its lines into the 64 bytes that all
// levels count in.
std::string CacheComplaint(const MachineSection& section) {
  const uint64_t bytes = NumberOf(section, "bytes");
  const uint64_t ways = NumberOf(section, "ways");
  const uint64_t line = NumberOf(section, "line_bytes");
  if (bytes == 0) return "";
  if (!std::has_single_bit(line) || line < kLeastLineBytes) {
    return absl::StrCat("lines of ", line, " bytes: want a power of two, ",
                        kLeastLineBytes, " at least");
  }
  if (ways == 0 || ways > kMostWays || bytes % (line * ways) != 0) {
    return absl::StrCat(bytes, " bytes in lines of ", line,
                        " do not divide into ", ways, " ways");
  }
  return "";
}

// An array of entries must divide into its ways, and a TLB's must hold pages of
// some size.
std::string ArrayComplaint(const MachineSection& section) {
  const uint64_t entries = NumberOf(section, "entries");
  const uint64_t ways = NumberOf(section, "ways");
  if (ways > kMostWays || (ways == 0 && entries > kMostWays)) {
    return absl::StrCat("want at most ", kMostWays, " ways");
  }
  if (ways != 0 && entries % ways != 0) {
    return absl::StrCat(entries, " entries do not divide into ", ways, " ways");
  }
  for (const MachineField& field : section.fields) {
    const auto* sizes = std::get_if<PageSizesSlot>(&field.slot);
    if (sizes != nullptr && entries != 0 && *sizes->sizes == 0) {
      return absl::StrCat(entries, " entries for pages of no size");
    }
  }
  return "";
}

// An enabled filter needs lines to watch, and tags for address spaces.
std::string FlushFilterComplaint(const FlushFilterGeometry& filter) {
  if (filter.lines == 0) {
    return filter.enabled ? "enabled, but of 0 lines: want lines" : "";
  }
  if (filter.address_spaces >= 1 &&
      filter.address_spaces <= kMostAddressSpaces) {
    return "";
  }
  return absl::StrCat("address_spaces ", filter.address_spaces, ": want 1 to ",
                      kMostAddressSpaces);
}

// Open rows need a row of at least a line, and a bank to be open in.
std::string DramComplaint(const DramModel& dram) {
  if (dram.row_bytes == 0) return "";
  if (dram.row_bytes < kLeastLineBytes) {
    return absl::StrCat("row_bytes ", dram.row_bytes, ": want 0, or ",
                        kLeastLineBytes, " at least");
  }
  return dram.banks != 0 ? "" : "banks 0: want one at least, as there are rows";
}

// Caches and arrays are told by the name of their first field.
std::string SectionComplaint(const MachineSection& section, bool bands) {
  std::string complaint = FieldComplaint(section);
  if (complaint.empty() && bands) complaint = BandComplaint(section);
  if (!complaint.empty()) return complaint;
  const std::string_view first = section.fields.front().name;
  if (first == "bytes") return CacheComplaint(section);
  return first == "entries" ? ArrayComplaint(section) : "";
}

// Returns the entries of all arrays together, which Tlb keeps in one.
uint32_t TlbEntries(const TlbGeometry& tlb) {
  uint32_t entries = 0;
  for (const auto* arrays :
       {&tlb.data_l1, &tlb.data_l2, &tlb.instruction_l1, &tlb.instruction_l2}) {
    for (const TlbArrayGeometry& array : *arrays) entries += array.entries;
  }
  return entries;
}

}  // namespace

std::optional<MachineComplaint> FindComplaint(const MachineModel& model,
                                              bool bands) {
  MachineModel copy = model;
  for (const MachineSection& section : SectionsOf(copy)) {
    std::string what = SectionComplaint(section, bands);
    if (what.empty() && section.path == "flush_filter") {
      what = FlushFilterComplaint(model.flush_filter);
    }
    if (what.empty() && section.path == "dram")
      what = DramComplaint(model.dram);
    if (!what.empty()) return MachineComplaint{section.path, std::move(what)};
  }
  const uint32_t entries = TlbEntries(model.tlb);
  if (entries <= kMostTlbEntries) return std::nullopt;
  return MachineComplaint{"tlb",
                          absl::StrCat("want at most ", kMostTlbEntries,
                                       " TLB entries in all, not ", entries)};
}

bool IsAbsent(const MachineSection& section) {
  return section.source->empty() && section.low != nullptr &&
         NumberOf(section.fields.front()) == 0;
}

absl::Status CheckMachine(const MachineModel& machine) {
  const std::optional<MachineComplaint> complaint =
      FindComplaint(machine, /*bands=*/false);
  if (!complaint.has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("machine ", Abs(machine.name),
                                                 ": ", complaint->path, ": ",
                                                 complaint->what));
}

}  // namespace xmmu
