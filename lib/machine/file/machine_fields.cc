#include "machine/file/machine_fields.h"

#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/text.h"

namespace xmmu {
namespace {

// No machine has more (assumed); the limit keeps the simulated tags in memory.
constexpr uint64_t kMostCacheBytes = uint64_t{1} << 32;

constexpr std::pair<std::string_view, uint8_t> kPageSizes[] = {
    {"4k", kTlb4K}, {"2m", kTlbLarge}, {"1g", kTlb1G}};

using Fields = std::vector<MachineField>;

// All sections but the costs have a Provenance, and their bands may be left
// out.
MachineSection Section(std::string path, Fields fields, Provenance& from,
                       bool band) {
  return {std::move(path),
          std::move(fields),
          band ? &from.low : nullptr,
          band ? &from.high : nullptr,
          /*band_optional=*/true,
          &from.mark,
          &from.source};
}

// The keys number the arrays of a side and level from 1.
void AddTlbArrays(std::string_view path,
                  std::array<TlbArrayGeometry, 3>& arrays,
                  std::vector<MachineSection>& all) {
  for (size_t i = 0; i < arrays.size(); ++i) {
    TlbArrayGeometry& array = arrays[i];
    all.push_back(
        Section(absl::StrCat("tlb.", Abs(path), ".", i + 1),
                {{"entries", &array.entries, "entries"},
                 {"ways", &array.ways, "ways"},
                 {"page_sizes", PageSizesSlot{&array.page_sizes}, ""}},
                array.from, /*band=*/true));
  }
}

// The caches are named as the SDM names them, by the level of the entry cached.
void AddWalkCaches(std::string_view prefix, PagingStructureCacheGeometry& psc,
                   std::vector<MachineSection>& all) {
  constexpr std::string_view kNames[] = {"",      "",      "pde",
                                         "pdpte", "pml4e", "pml5e"};
  for (size_t level = 2; level < psc.level.size(); ++level) {
    PagingStructureCacheArray& array = psc.level[level];
    all.push_back(Section(
        absl::StrCat(Abs(prefix), Abs(kNames[level])),
        {{"entries", &array.entries, "entries"}, {"ways", &array.ways, "ways"}},
        array.from, /*band=*/true));
  }
}

void AddCache(std::string_view path, CacheGeometry& cache,
              std::vector<MachineSection>& all) {
  all.push_back(Section(std::string(path),
                        {{"bytes", &cache.bytes, "bytes"},
                         {"ways", &cache.ways, "ways"},
                         {"line_bytes", &cache.line_bytes, "bytes"}},
                        cache.from, /*band=*/true));
}

void AddPrefetcher(std::string_view path, PrefetcherModel& prefetcher,
                   std::vector<MachineSection>& all) {
  all.push_back(
      Section(std::string(path),
              {{"max_stride", &prefetcher.max_stride, "lines"},
               {"lines_per_load", &prefetcher.lines_per_load, "lines"},
               {"lines_ahead", &prefetcher.lines_ahead, "lines"},
               {"pairs", &prefetcher.pairs, ""}},
              prefetcher.from, /*band=*/false));
}

void AddMemory(MachineModel& m, std::vector<MachineSection>& all) {
  CacheRules& rules = m.cache_rules;
  all.push_back(
      Section("cache.rules",
              {{"linear_l1_index", &rules.linear_l1_index, ""},
               {"walker_skips_l1", &rules.walker_skips_l1, ""},
               {"exclusive_l2", &rules.exclusive_l2, ""},
               {"thrash_resistant_l3", &rules.thrash_resistant_l3, ""}},
              rules.from, /*band=*/false));
  AddPrefetcher("prefetcher.l1", m.l1_prefetcher, all);
  AddPrefetcher("prefetcher.l2", m.l2_prefetcher, all);
  all.push_back(Section("dram",
                        {{"row_bytes", &m.dram.row_bytes, "bytes"},
                         {"banks", &m.dram.banks, "banks"},
                         {"core_cycles", &m.dram.core_cycles, "cycles"}},
                        m.dram.from, /*band=*/false));
}

void AddFeatures(MachineModel& m, std::vector<MachineSection>& all) {
  all.push_back(
      Section("clock", {{"ghz", &m.clock_ghz, "GHz"}}, m.clock_from, false));
  all.push_back(Section("features",
                        {{"vendor", &m.features.vendor, ""},
                         {"long_mode", &m.features.long_mode, ""},
                         {"la57", &m.features.la57, ""},
                         {"pages_1g", &m.features.pages_1g, ""},
                         {"pse36", &m.features.pse36, ""},
                         {"nx", &m.features.nx, ""},
                         {"pcid", &m.features.pcid, ""},
                         {"invpcid", &m.features.invpcid, ""}},
                        m.features_from, false));
  all.push_back(Section("features.registers", RegisterFields(m.features),
                        m.registers_from, false));
  all.push_back(Section("maxphyaddr",
                        {{"bits", &m.features.maxphyaddr, "bits"}},
                        m.maxphyaddr_from, false));
  all.push_back(Section(
      "flush_filter",
      {{"lines", &m.flush_filter.lines, "lines"},
       {"address_spaces", &m.flush_filter.address_spaces, "address spaces"},
       {"enabled", &m.flush_filter.enabled, ""}},
      m.flush_filter.from, true));
  all.push_back(Section("nested",
                        {{"vm_extension", &m.nested.vm_extension, ""},
                         {"present", &m.nested.present, ""},
                         {"tags", &m.nested.tags, ""},
                         {"accessed_dirty", &m.nested.accessed_dirty, ""}},
                        m.nested.from, false));
  all.push_back(
      Section("nested.ept", EptFields(m.nested), m.nested.ept_from, false));
}

// A cost always has a band, which is its value where nothing else is in
// question.
void AddCosts(CostTable& costs, std::vector<MachineSection>& all) {
  for (size_t i = 0; i < kCostEventCount; ++i) {
    CostConstant& cost = costs[i];
    const std::string_view name = CostEventName(static_cast<CostEvent>(i));
    all.push_back({absl::StrCat("cost.", Abs(name)),
                   {{"value", &cost.value, "cycles"}},
                   &cost.low,
                   &cost.high,
                   /*band_optional=*/false,
                   &cost.mark,
                   &cost.source});
  }
}

// Writes page sizes as ParsePageSizes() reads them, the smallest first.
std::string PageSizesText(uint8_t sizes) {
  std::string text;
  for (const auto& [name, bit] : kPageSizes) {
    if ((sizes & bit) == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : "+", Abs(name));
  }
  return text;
}

std::optional<uint8_t> ParsePageSizes(std::string_view text) {
  uint8_t sizes = 0;
  for (const absl::string_view word :
       absl::StrSplit(Abs(text), '+', absl::SkipEmpty())) {
    uint8_t found = 0;
    for (const auto& [name, bit] : kPageSizes) {
      if (Abs(name) == word) found = bit;
    }
    if (found == 0) return std::nullopt;
    sizes = static_cast<uint8_t>(sizes | found);
  }
  return sizes;
}

// Each Set() stores `value` in its kind of slot and returns an empty text, or
// returns what would have done.
std::string Set(bool* slot, const MachineValue& value) {
  const bool* given = std::get_if<bool>(&value);
  if (given == nullptr) return "want true or false";
  *slot = *given;
  return "";
}

template <typename Integer>
std::string SetInteger(Integer* slot, const MachineValue& value, int64_t low,
                       int64_t high) {
  const int64_t* given = std::get_if<int64_t>(&value);
  if (given == nullptr || *given < low || *given > high) {
    return absl::StrCat("want a whole number from ", low, " to ", high);
  }
  *slot = static_cast<Integer>(*given);
  return "";
}

// The only int is the width of a machine address: 32 to 52 bits (SDM Vol. 3A,
// "Physical-Address Width").
std::string Set(int* slot, const MachineValue& value) {
  return SetInteger(slot, value, 32, 52);
}

// The only uint8_t are a prefetcher's lines, which lie in one page.
std::string Set(uint8_t* slot, const MachineValue& value) {
  return SetInteger(slot, value, 0, 63);
}

std::string Set(uint16_t* slot, const MachineValue& value) {
  return SetInteger(slot, value, 0, std::numeric_limits<uint16_t>::max());
}

std::string Set(uint32_t* slot, const MachineValue& value) {
  return SetInteger(slot, value, 0, std::numeric_limits<uint32_t>::max());
}

// The only uint64_t is the size of a cache.
std::string Set(uint64_t* slot, const MachineValue& value) {
  return SetInteger(slot, value, 0, static_cast<int64_t>(kMostCacheBytes));
}

std::string Set(double* slot, const MachineValue& value) {
  double number = 0;
  if (const double* real = std::get_if<double>(&value)) number = *real;
  if (const int64_t* whole = std::get_if<int64_t>(&value)) {
    number = static_cast<double>(*whole);
  }
  // The only double is a clock in GHz (assumed: no machine is slower or
  // faster).
  if (!(number >= 0.001 && number <= 1000)) {
    return "want a number from 0.001 to 1000";
  }
  *slot = number;
  return "";
}

std::string Set(Vendor* slot, const MachineValue& value) {
  const std::string* given = std::get_if<std::string>(&value);
  if (given == nullptr || (*given != "intel" && *given != "amd")) {
    return "want \"intel\" or \"amd\"";
  }
  *slot = *given == "intel" ? Vendor::kIntel : Vendor::kAmd;
  return "";
}

std::string Set(PageSizesSlot slot, const MachineValue& value) {
  const std::string* given = std::get_if<std::string>(&value);
  const auto sizes = given == nullptr ? std::nullopt : ParsePageSizes(*given);
  if (!sizes.has_value()) {
    return "want page sizes as \"4k\", \"4k+2m\" or \"4k+2m+1g\"";
  }
  *slot.sizes = *sizes;
  return "";
}

}  // namespace

std::vector<MachineSection> SectionsOf(MachineModel& model) {
  std::vector<MachineSection> all;
  AddFeatures(model, all);
  all.push_back(Section("nested.tlb",
                        {{"entries", &model.nested.tlb_entries, "entries"}},
                        model.nested.tlb_from, true));
  AddWalkCaches("nested.", model.nested.psc, all);
  all.push_back(Section("tlb", {{"unified_l2", &model.tlb.unified_l2, ""}},
                        model.tlb.unified_from, false));
  AddTlbArrays("data_l1", model.tlb.data_l1, all);
  AddTlbArrays("data_l2", model.tlb.data_l2, all);
  AddTlbArrays("instruction_l1", model.tlb.instruction_l1, all);
  AddTlbArrays("instruction_l2", model.tlb.instruction_l2, all);
  AddWalkCaches("psc.", model.psc, all);
  AddCache("cache.l1", model.l1, all);
  AddCache("cache.l2", model.l2, all);
  AddCache("cache.l3", model.l3, all);
  AddMemory(model, all);
  AddCosts(model.costs, all);
  return all;
}

MachineValue ValueOf(const MachineField& field) {
  return std::visit(
      [](auto slot) -> MachineValue {
        using Slot = decltype(slot);
        if constexpr (std::is_same_v<Slot, PageSizesSlot>) {
          return PageSizesText(*slot.sizes);
        } else if constexpr (std::is_same_v<Slot, Vendor*>) {
          return std::string(*slot == Vendor::kIntel ? "intel" : "amd");
        } else if constexpr (std::is_same_v<Slot, bool*> ||
                             std::is_same_v<Slot, double*>) {
          return *slot;
        } else {
          return static_cast<int64_t>(*slot);
        }
      },
      field.slot);
}

std::string TextOf(const MachineValue& value) {
  if (const bool* truth = std::get_if<bool>(&value)) {
    return *truth ? "true" : "false";
  }
  if (const int64_t* number = std::get_if<int64_t>(&value)) {
    return absl::StrCat(*number);
  }
  if (const double* number = std::get_if<double>(&value)) {
    return absl::StrCat(*number);
  }
  return std::get<std::string>(value);
}

std::string SetField(const MachineField& field, const MachineValue& value) {
  return std::visit([&](auto slot) { return Set(slot, value); }, field.slot);
}

}  // namespace xmmu
