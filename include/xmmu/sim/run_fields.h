#ifndef XMMU_SIM_RUN_FIELDS_H_
#define XMMU_SIM_RUN_FIELDS_H_

// The options of a run in one table, a row each: what they are called, what
// they mean, and how to read and set them. The flags of `xmmu`, its --help, the
// keys of JSON and the columns of CSV come from this table, so that a new
// option is a member of SimulatorOptions, a row here, and the code that it
// changes.
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

// The group of an option in --help, in the order shown there.
enum class RunGroup : uint8_t {
  kStrategies,
  kMachine,
  kGuest,
  kTiming,
  kRegion
};

// Whether all rows of a comparison have the same value.
enum class RunScope : uint8_t {
  kAllRows,  // the comparison has one value
  kEachRow,  // rows differ by it: see ComparisonOptions
};

struct RunField {
  // Key of JSON and column of CSV. With a dot it is a key within an object:
  // "migration.rounds". `unit` is that of the cell.
  std::string_view key;
  std::string_view flag;  // "memory": option --memory
  std::string_view unit;  // of the cell: "bytes"; empty where there is none
  // The placeholder of the value in --help: "N"; empty for an option that is
  // true or false.
  std::string_view value;
  std::string_view help;  // one sentence with the default
  RunGroup group;
  RunScope scope;

  // Returns the value in `options`, or std::monostate if it is not set, or has
  // no meaning because nothing is migrated.
  Cell (*get)(const SimulatorOptions& options);

  // Sets the option from the text of a command line, which is "true" or "false"
  // if it has no `value`. Checks this option alone.
  // Errors: InvalidArgument that says what would do: "want 1 to 64".
  absl::Status (*set)(std::string_view text, SimulatorOptions& options);

  // Returns the names that the value may be; nullptr if values are no names.
  std::vector<std::string_view> (*names)() = nullptr;
};

// All options of a run, in the order in which they are shown.
std::span<const RunField> RunFields();

// The row with that key, or nullptr.
const RunField* FindRunField(std::string_view key);

}  // namespace xmmu

#endif  // XMMU_SIM_RUN_FIELDS_H_
