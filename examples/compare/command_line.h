#ifndef XMMU_EXAMPLES_COMPARE_COMMAND_LINE_H_
#define XMMU_EXAMPLES_COMPARE_COMMAND_LINE_H_

// What the programs have in common: flags, --help, output that is whole or an
// error, and errors as one line on standard error with an exit status.

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "compare/arguments.h"

namespace xmmu::compare {

struct Program {
  const char* name;
  // Flags, as C++ identifiers, in the order of --help.
  std::span<const char* const> flags;
  std::string (*help)();
  // Does the work; not called for --help.
  absl::Status (*run)(const Arguments& arguments);
};

// All that main() does. Returns the exit status: 0; 2 for what is the user's to
// put right; 1 for anything else, such as a disk that is full or a want of
// memory. With 1 and 2 one line is on standard error.
int RunProgram(const Program& program, int argc, const char* const* argv);

// A line for each of the flags named.
std::string HelpOfFlags(std::span<const char* const> names);

// Errors: InvalidArgument unless `format` is one of `all`.
absl::Status CheckFormat(const std::string& format,
                         const std::vector<std::string>& all);

}  // namespace xmmu::compare

#endif  // XMMU_EXAMPLES_COMPARE_COMMAND_LINE_H_
