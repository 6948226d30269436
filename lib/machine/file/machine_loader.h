#ifndef XMMU_LIB_MACHINE_FILE_MACHINE_LOADER_H_
#define XMMU_LIB_MACHINE_FILE_MACHINE_LOADER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "machine/file/machine_document.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu {

// Names the place of a line in errors, and the source of a value given there.
// Line 0 stands for the document as a whole.
struct MachineOrigin {
  std::function<std::string(uint32_t line)> where;   // "machine.toml:12"
  std::function<std::string(uint32_t line)> source;  // "assumed: given in ..."
};

// Puts the values of a document into `model`; name, description and base are
// left to the caller. With `whole` there is no base, and the document must
// state every value.
// Errors: InvalidArgument; `model` is then in no specified state.
absl::Status LoadValues(const std::vector<DocumentEntry>& document,
                        const MachineOrigin& origin, bool whole,
                        MachineModel& model);

// Whether `text` is one line that is not empty and needs no escape (Printable).
bool IsLineOfText(std::string_view text);

}  // namespace xmmu

#endif  // XMMU_LIB_MACHINE_FILE_MACHINE_LOADER_H_
