#ifndef XMMU_EXAMPLES_COMPARE_COMMAND_LINE_H_
#define XMMU_EXAMPLES_COMPARE_COMMAND_LINE_H_

// What the programs' command lines have in common: Abseil's flags, of which
// --a-b is as good as --a_b, and bad input as one line and exit status 2.

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace xmmu::compare {

// Sets the flags and returns the other arguments. Bad flags end the program,
// with one line that begins with `program`.
std::vector<std::string> ParseArguments(const char* program, int argc,
                                        char** argv);

// A line for each of the flags named.
std::string HelpOfFlags(std::span<const char* const> names);

// Says on standard error what `status` is, if it is an error, and returns the
// exit status: 2 for what is the user's to put right.
int ExitStatus(const char* program, const absl::Status& status);

}  // namespace xmmu::compare

#endif  // XMMU_EXAMPLES_COMPARE_COMMAND_LINE_H_
