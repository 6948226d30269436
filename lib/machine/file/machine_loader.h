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

// Says where an error is, and what is the source of a value given there. Line 0
// is the whole of it.
struct MachineOrigin {
  std::function<std::string(uint32_t line)> where;   // "machine.toml:12"
  std::function<std::string(uint32_t line)> source;  // "assumed: given in ..."
};

// Puts what a document says into `model`; its name, description and base are
// for the caller. `whole`: the document states all that there is.
// Errors: InvalidArgument; what `model` is then is not specified.
absl::Status LoadValues(const std::vector<DocumentEntry>& document,
                        const MachineOrigin& origin, bool whole,
                        MachineModel& model);

// Whether `text` is not empty and what Printable() leaves as it is.
bool IsLineOfText(std::string_view text);

}  // namespace xmmu

#endif  // XMMU_LIB_MACHINE_FILE_MACHINE_LOADER_H_
