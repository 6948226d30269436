#ifndef XMMU_LIB_MACHINE_FILE_MACHINE_FIELDS_H_
#define XMMU_LIB_MACHINE_FILE_MACHINE_FIELDS_H_

// The one table of a machine model's values, by the keys that lists show, files
// have and the command line takes. A value that is not in it can be neither
// listed nor loaded.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "machine/file/machine_document.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu {

// A slot for TlbPageSizes, which files write as one word: "4k+2m".
struct PageSizesSlot {
  uint8_t* sizes;
};

// One value of a model, with a pointer to it.
struct MachineField {
  using Slot = std::variant<bool*, int*, uint8_t*, uint16_t*, uint32_t*,
                            uint64_t*, double*, Vendor*, PageSizesSlot>;

  std::string_view name;  // within its section
  Slot slot;
  std::string_view unit;  // "cycles", "entries"; empty if it has none
};

// Values that share one provenance; a file has a table for each section.
struct MachineSection {
  std::string path;  // "tlb.data_l1.1"
  // If there is a band, it is that of the first field.
  std::vector<MachineField> fields;
  uint32_t* low;  // nullptr: no band
  uint32_t* high;
  // Whether a band of 0 to 0 says that no other value is in question.
  bool band_optional;
  Mark* mark;
  std::string_view* source;
};

// Returns the sections of `model`, which outlives the result, in the order in
// which lists show them.
std::vector<MachineSection> SectionsOf(MachineModel& model);

// Return the fields of `features.registers` and `nested.ept`, the two sections
// that a file may leave out.
std::vector<MachineField> RegisterFields(CpuFeatures& features);
std::vector<MachineField> EptFields(NestedPagingModel& nested);

// Returns what the slot of `field` holds.
MachineValue ValueOf(const MachineField& field);
// Returns `value` as lists show it.
std::string TextOf(const MachineValue& value);

// Sets `field`. Returns an empty text, or what would have been accepted.
std::string SetField(const MachineField& field, const MachineValue& value);

// Whether a section describes an array or a cache that the machine does not
// have: no entries, and no source.
bool IsAbsent(const MachineSection& section);

// What is wrong with a machine: in which section, and what would be right.
struct MachineComplaint {
  std::string path;  // of the section, or what several of them have in common
  std::string what;
};

// Returns the first complaint about `model`, whoever made it, or nothing. With
// `bands` a value outside its band is a complaint, too.
std::optional<MachineComplaint> FindComplaint(const MachineModel& model,
                                              bool bands);

}  // namespace xmmu

#endif  // XMMU_LIB_MACHINE_FILE_MACHINE_FIELDS_H_
