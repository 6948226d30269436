#ifndef XMMU_MACHINE_MACHINE_FILE_H_
#define XMMU_MACHINE_MACHINE_FILE_H_

// Machines as data: every value of a machine model with its band, mark, source
// and unit, listed, loaded from a TOML file, and overridden one by one. Lists,
// files and overrides know values by the same keys:
//
//   base = "xeon-2003"        # optional: what is not given is that machine's
//   name = "slow-traps"
//   [cost]
//   invlpg = 300              # the value alone: no band, mark "estimated"
//   [cost.mov_cr3]
//   value = 500
//   low = 300
//   high = 900
//   mark = "measured"         # read, measured, derived, remembered, estimated
//   source = "a loop of 1000 of them on my own machine"
//   [tlb.data_l2.1]
//   entries = 1024
//   ways = 8
//   page_sizes = "4k+2m"
//
// MachineToml() of a preset shows all keys. A section whose values
// change, and that names no mark and source, is marked as estimated, with the
// file as its source. A price that the base derives from others (its source
// says so: "as locked_op", "pte_load_l3, less L1") follows them when they
// change, unless it is given, too: see FollowPriceRules(). All other prices
// stay what they were. Without a base a file states every cost; arrays and
// caches that it does not mention are not there.
//
// Charges nothing. Any thread.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu {

// Returns all values of `machine` as the text of a file, from which
// ParseMachine() makes an equal machine.
std::string MachineToml(const MachineModel& machine);

// Whether `machine` can be simulated, however it was made: numbers within the
// ranges that files have, arrays and caches that divide into their ways, a
// flush filter with address spaces. Whatever takes a user's own machine asks
// this first. Bands are another matter: only sweeps read them (CheckSweep).
// Errors: InvalidArgument, one line with the key and what would have done.
absl::Status CheckMachine(const MachineModel& machine);

// Returns the machine that `text` describes; errors call it `file`. Keys and
// values that nest deeper than any machine's are refused before they are
// parsed.
// Errors: InvalidArgument, one line with the file, the line, the key and what
// would have been right. An error about a missing key has no line number.
absl::StatusOr<MachineModel> ParseMachine(std::string_view text,
                                          std::string_view file);

// Returns the machine that the file at `path` describes. Its description says
// which file it is from, unless it is an unchanged preset. If its name is that
// of a preset, "+file" is added.
// Errors: InvalidArgument if the file cannot be read, is no regular file or is
// larger than a megabyte; and those of ParseMachine().
absl::StatusOr<MachineModel> LoadMachine(const std::string& path);

// Sets values of `machine`, each "KEY=VALUE" with a key as in a file, or the
// name of a CostEvent alone; the name, base and description of a machine are no
// values of it. A changed value is marked as estimated, with the setting as its
// source and without a band unless the band is set, too. A price that is
// derived from a changed one follows it, as in a file. The name gets a "+set",
// and the description says what was set and what has followed.
// Errors: InvalidArgument, one line with the setting; `machine` is as it was.
absl::Status SetMachineValues(std::span<const std::string> settings,
                              MachineModel& machine);

}  // namespace xmmu

#endif  // XMMU_MACHINE_MACHINE_FILE_H_
