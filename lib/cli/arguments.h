#ifndef XMMU_LIB_CLI_ARGUMENTS_H_
#define XMMU_LIB_CLI_ARGUMENTS_H_

// The options of a command, and what of them is given: on the command line, or
// in the file of --config where the command line is silent.

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xmmu::cli {

struct Option {
  std::string name;        // "vcpus": --vcpus
  std::string group = {};  // heading in --help: "Guest"
  std::string value = {};  // "N"; empty for what is true or false
  std::string help = {};
  bool repeats = false;       // may be given again: its lists add up
  bool may_be_empty = false;  // --name= is a value
  char letter = 0;            // 'o': -o VALUE means the same; 0: no letter
};

class Arguments {
 public:
  // The arguments that are no options, in order.
  const std::vector<std::string>& files() const { return files_; }
  void AddFile(std::string file) { files_.push_back(std::move(file)); }

  // The words that the program was called with, "xmmu" first.
  const std::vector<std::string>& command_line() const { return command_line_; }
  void SetCommandLine(std::vector<std::string> words) {
    command_line_ = std::move(words);
  }

  // Adds a value of the option `name`. `origin` is nothing for the command
  // line, or else "FILE:LINE".
  void Add(const std::string& name, std::string text, std::string origin);

  bool Given(const std::string& name) const { return given_.contains(name); }
  // Whether it is given, and not by a file of options.
  bool GivenOnCommandLine(const std::string& name) const;
  // What files of options have given, as words of a command line, by name.
  std::vector<std::string> WordsOfConfig() const;
  // How often it is given.
  size_t Times(const std::string& name) const;
  // What is given, or `otherwise`.
  std::string Text(const std::string& name,
                   const std::string& otherwise = "") const;

  // Whether an option that is true or false is on.
  // Errors: InvalidArgument if it is neither.
  absl::StatusOr<bool> IsOn(const std::string& name) const;

  // The elements of a list, with commas between them; all that is given, one
  // after the other.
  // Errors: InvalidArgument for an empty element, one that is there twice, and
  // "all" beside others.
  absl::StatusOr<std::vector<std::string>> List(const std::string& name) const;

  // What messages call the option: "--vcpus", or "run.toml:3: vcpus".
  std::string Where(const std::string& name) const;

  // What is given for `name` will not do: "--vcpus=65: want 1 to 64", or
  // "run.toml:3: vcpus=65: want 1 to 64". `text` is what of it, if not all.
  absl::Status Refuse(const std::string& name, std::string_view want) const;
  absl::Status Refuse(const std::string& name, std::string_view text,
                      std::string_view want) const;

  // Errors: InvalidArgument if one of `names` is given, which nothing reads
  // without `needed`: "--samples: want it with --sensitivity".
  absl::Status WantsFor(std::string_view needed,
                        std::span<const std::string_view> names) const;

 private:
  struct Value {
    std::vector<std::string> texts;
    std::string origin;
  };

  std::vector<std::string> files_;
  std::vector<std::string> command_line_;
  std::map<std::string, Value, std::less<>> given_;
};

// The decimal number, `least` to `most`, that is given, or `otherwise`.
// Errors: InvalidArgument, by Arguments::Refuse().
absl::StatusOr<uint64_t> WholeNumber(const Arguments& arguments,
                                     const std::string& name,
                                     uint64_t otherwise, uint64_t most,
                                     uint64_t least = 0);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_ARGUMENTS_H_
