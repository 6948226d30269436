#ifndef XMMU_LIB_MACHINE_FILE_MACHINE_FIELDS_H_
#define XMMU_LIB_MACHINE_FILE_MACHINE_FIELDS_H_

// The one table of what a machine model says, by the keys that lists show, that
// files have and that the command line takes. What is not in it can be neither
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

// The page sizes of TlbPageSizes in one word, "4k+2m".
struct PageSizesSlot {
  uint8_t* sizes;
};

// One value of a model, in the model.
struct MachineField {
  using Slot = std::variant<bool*, int*, uint8_t*, uint16_t*, uint32_t*,
                            uint64_t*, double*, Vendor*, PageSizesSlot>;

  std::string_view name;  // within its section
  Slot slot;
  std::string_view unit;  // "cycles", "entries"; empty for what has none
};

// Values with one provenance: a table of a file.
struct MachineSection {
  std::string path;  // "tlb.data_l1.1"
  // The band, if there is one, is of the first.
  std::vector<MachineField> fields;
  uint32_t* low;  // nullptr: no band
  uint32_t* high;
  // Whether a band of 0 to 0 means that no other value is in question.
  bool band_optional;
  Mark* mark;
  std::string_view* source;
};

// All of `model`, which outlives the result, in the order of lists.
std::vector<MachineSection> SectionsOf(MachineModel& model);

// The fields of `features.registers` and `nested.ept`, two sections that a file
// may leave out.
std::vector<MachineField> RegisterFields(CpuFeatures& features);
std::vector<MachineField> EptFields(NestedPagingModel& nested);

MachineValue ValueOf(const MachineField& field);
// As a list shows it.
std::string TextOf(const MachineValue& value);

// Sets `field`. Returns what would have done, or nothing if `value` did.
std::string SetField(const MachineField& field, const MachineValue& value);

// Whether a section says nothing: an array that is not there, without a source.
bool IsAbsent(const MachineSection& section);

// What is wrong with a machine: where, and what would do.
struct MachineComplaint {
  std::string path;  // of the section, or what several of them have in common
  std::string what;
};

// The first complaint about `model`, whoever made it; nothing if all is well.
// `bands`: values that are not in their bands count, too.
std::optional<MachineComplaint> FindComplaint(const MachineModel& model,
                                              bool bands);

}  // namespace xmmu

#endif  // XMMU_LIB_MACHINE_FILE_MACHINE_FIELDS_H_
