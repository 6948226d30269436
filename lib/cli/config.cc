#include "cli/config.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/regular_file.h"
#include "base/text.h"
#include "machine/file/machine_document.h"

namespace xmmu::cli {
namespace {

constexpr uint64_t kMostBytes = 1 << 20;

// Writes `value` as the command line has it.
std::string TextOf(const MachineValue& value) {
  return std::visit(
      [](const auto& plain) -> std::string {
        using T = std::decay_t<decltype(plain)>;
        if constexpr (std::is_same_v<T, bool>) {
          return plain ? "true" : "false";
        } else if constexpr (std::is_same_v<T, std::string>) {
          return plain;
        } else {
          char buffer[64];  // the shortest that reads as the same number
          const auto end =
              std::to_chars(buffer, buffer + sizeof(buffer), plain).ptr;
          std::string text(buffer, end);
          // A number with a fraction stays one, be that 0: 1.0 is no integer.
          const bool looks_whole =
              text.find_first_not_of("+-0123456789") == std::string::npos;
          if (std::is_floating_point_v<T> && looks_whole) text += ".0";
          return text;
        }
      },
      value);
}

// Adds the entries of one file.
class ConfigReader {
 public:
  ConfigReader(const std::string& path, std::span<const Option> options,
               Arguments& arguments)
      : path_(path), options_(options), arguments_(arguments) {}

  absl::Status Add(const DocumentEntry& entry) {
    std::string name = entry.key;
    std::replace(name.begin(), name.end(), '_', '-');
    const bool known =
        std::any_of(options_.begin(), options_.end(),
                    [&](const Option& option) { return option.name == name; });
    if (!known || name == "config" || name == "help") return Unknown(entry);
    if (!seen_.insert(name).second) {
      return Bad(entry, absl::StrCat(entry.key, ": given twice"));
    }
    if (entry.is_table) return BadValue(entry);
    std::string text = TextOf(entry.value);
    if (!entry.list.empty()) {
      std::vector<std::string> texts;
      for (const MachineValue& element : entry.list) {
        texts.push_back(TextOf(element));
      }
      text = absl::StrJoin(texts, ",");
    }
    // ParseDocument() gives text with a line break for values that no option
    // takes.
    if (text.find('\n') != std::string::npos) return BadValue(entry);
    if (text.empty() && !MayBeEmpty(name)) {
      return Bad(entry, absl::StrCat(entry.key, ": want a value"));
    }
    if (std::holds_alternative<std::string>(entry.value) &&
        entry.list.empty() && IsInteger(name)) {
      return Bad(entry, absl::StrCat(entry.key, "=\"", text,
                                     "\": want a number without quotes"));
    }
    if (!arguments_.Given(name) && !IsOutdone(name)) {
      arguments_.Add(name, text, absl::StrCat(path_, ":", entry.line));
    }
    return absl::OkStatus();
  }

 private:
  // Whether the command line gives what excludes the option `name`, and so wins.
  bool IsOutdone(const std::string& name) const {
    if (name == "machine") return arguments_.GivenOnCommandLine("machine-file");
    if (name == "machine-file") return arguments_.GivenOnCommandLine("machine");
    return name == "workload" && !arguments_.files().empty();
  }

  absl::Status Bad(const DocumentEntry& entry, std::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ":", entry.line, ": ", Abs(what)));
  }

  absl::Status BadValue(const DocumentEntry& entry) const {
    return Bad(entry, absl::StrCat(entry.key,
                                   ": want a text, a number, true, false or a "
                                   "list of these"));
  }

  absl::Status Unknown(const DocumentEntry& entry) const {
    std::vector<std::string_view> names;
    for (const Option& option : options_) {
      if (option.name != "config" && option.name != "help") {
        names.push_back(option.name);
      }
    }
    return Bad(entry, absl::StrCat(entry.key, ": no such option; ",
                                   WantedName(entry.key, names)));
  }

  // Whether the value of the option `name` is one integer, not a list of them.
  bool IsInteger(std::string_view name) const {
    return std::any_of(options_.begin(), options_.end(),
                       [&](const Option& option) {
                         return option.name == name &&
                                (option.value == "N" || option.value == "MIB");
                       });
  }

  bool MayBeEmpty(std::string_view name) const {
    return std::any_of(options_.begin(), options_.end(),
                       [&](const Option& option) {
                         return option.name == name && option.may_be_empty;
                       });
  }

  const std::string& path_;
  const std::span<const Option> options_;
  Arguments& arguments_;
  std::set<std::string> seen_;
};

}  // namespace

absl::Status ReadConfig(const std::string& path,
                        std::span<const Option> options, Arguments& arguments) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMostBytes);
  if (!text.ok()) return text.status();
  const ParsedDocument document = ParseDocument(*text);
  if (!document.error.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", document.error_line, ": ", document.error));
  }
  ConfigReader reader(path, options, arguments);
  for (const DocumentEntry& entry : document.entries) {
    const absl::Status status = reader.Add(entry);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace xmmu::cli
