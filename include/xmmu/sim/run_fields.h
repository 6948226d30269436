#ifndef XMMU_SIM_RUN_FIELDS_H_
#define XMMU_SIM_RUN_FIELDS_H_

// All there is to know of the options of a run, a row each: what they are
// called, what they mean, and how to read and set them. The flags of `xmmu`,
// its --help, the keys of JSON and the columns of CSV come from this table, so
// that a new option is a member of SimulatorOptions, a row here, and the code
// that it changes.
//
// Options that no program offers have no row: fork_copies_all and keeps_tables,
// which studies of old kernels set.
//
// Any thread.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/base/cell.h"
#include "xmmu/sim/options.h"

namespace xmmu {

// What an option is about, in the order of --help.
enum class RunGroup : uint8_t { kStrategies, kMachine, kGuest, kTiming };

// Which runs of a comparison have the same value.
enum class RunScope : uint8_t {
  kAllRows,  // the comparison has one value
  kEachRow,  // rows differ by it: see ComparisonOptions
};

struct RunField {
  // Key of JSON and column of CSV. With a dot it is a key within an object:
  // "migration.rounds". The cell has the unit that the key says.
  std::string_view key;
  std::string_view flag;  // "memory": option --memory
  std::string_view unit;  // of the cell: "bytes"; empty where there is none
  // What stands for the value in --help: "N"; empty for an option that is true
  // or false.
  std::string_view value;
  std::string_view help;  // one sentence with the default
  RunGroup group;
  RunScope scope;

  // The value in `options`; std::monostate if it is not set, or of no meaning
  // as nothing is migrated.
  Cell (*get)(const SimulatorOptions& options);

  // Sets it from the text of a command line: "true" or "false" for what has no
  // `value`. Checks this option alone.
  // Errors: InvalidArgument that says what would do: "want 1 to 64".
  absl::Status (*set)(std::string_view text, SimulatorOptions& options);

  // The names that the value is one of; nullptr if it is none of any names.
  std::vector<std::string_view> (*names)() = nullptr;
};

// All options of a run, in the order in which they are shown.
std::span<const RunField> RunFields();

// The row with that key, or nullptr.
const RunField* FindRunField(std::string_view key);

}  // namespace xmmu

#endif  // XMMU_SIM_RUN_FIELDS_H_
