#ifndef XMMU_EXAMPLES_COMPARE_ARGUMENTS_H_
#define XMMU_EXAMPLES_COMPARE_ARGUMENTS_H_

// Reads a command line into Abseil's flags. Abseil's own parser would take a
// flag twice, "5 " and 0x10 for numbers, and flags of its own (--flagfile);
// here every argument is taken as it was meant or refused.

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xmmu::compare {

class Arguments {
 public:
  // The arguments that are no flags, in order.
  const std::vector<std::string>& files() const { return files_; }

  // Whether the command line has that flag, whatever its value: "fault_around".
  bool Given(std::string_view flag) const {
    return given_.contains(std::string(flag));
  }

  // Errors: InvalidArgument if one of `flags` is given, which nothing reads
  // without `needed`: "--samples: want it with --sensitivity".
  absl::Status WantsFor(std::string_view needed,
                        std::span<const char* const> flags) const;

 private:
  friend class ArgumentParser;

  std::vector<std::string> files_;
  std::set<std::string> given_;
};

// Sets the flags named by `flags`, C++ identifiers, from the command line.
//   --a-b=VALUE, --a-b VALUE, --a_b=VALUE, each also with one dash
//   --yes, --yes=false, --noyes     flags that are true or false
//   --                              no more flags
// A list is VALUE,VALUE,...; --set alone may be given again, and adds up.
// Errors: InvalidArgument with the flag, what it was and what would do.
absl::StatusOr<Arguments> ParseArguments(std::span<const char* const> flags,
                                         int argc, const char* const* argv);

// "a_b" as people write it: "--a-b".
std::string Dashed(std::string_view flag);

}  // namespace xmmu::compare

#endif  // XMMU_EXAMPLES_COMPARE_ARGUMENTS_H_
