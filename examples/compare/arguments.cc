#include "compare/arguments.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "xmmu/base/nearest_name.h"

namespace xmmu::compare {
namespace {

// The flag that may be given several times.
constexpr std::string_view kAddsUp = "set";
// The list that may hold nothing: a trace alone is then run.
constexpr std::string_view kMayBeEmpty = "workloads";
constexpr std::string_view kAll[] = {"all", "all+variants"};

absl::Status Bad(std::string_view flag, std::string_view value,
                 std::string_view want) {
  return absl::InvalidArgumentError(absl::StrCat(
      Dashed(flag), "=", std::string(value), ": ", std::string(want)));
}

absl::Status UnknownFlag(std::string_view name,
                         std::span<const char* const> flags) {
  const std::vector<std::string_view> known(flags.begin(), flags.end());
  // What is longer is no slip of the pen, and would take long to compare.
  constexpr size_t kLongest = 32;
  const std::string_view nearest =
      name.size() > kLongest ? "" : NearestName(name, known);
  return absl::InvalidArgumentError(absl::StrCat(
      Dashed(name), ": no such flag; ",
      nearest.empty()
          ? "want one of --help"
          : absl::StrCat("did you mean ", Dashed(nearest), "? See --help")));
}

bool AreDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c >= '0' && c <= '9';
  });
}

template <typename Integer>
absl::Status CheckInteger(std::string_view flag, std::string_view value) {
  using Limits = std::numeric_limits<Integer>;
  const bool negative = Limits::is_signed && value.starts_with('-');
  Integer number;
  if (AreDigits(value.substr(negative ? 1 : 0)) &&
      absl::SimpleAtoi(std::string(value), &number)) {
    return absl::OkStatus();
  }
  return Bad(flag, value,
             absl::StrCat("want a whole number from ", Limits::min(), " to ",
                          Limits::max()));
}

// As C writes it, but for hexadecimal digits and blanks.
absl::Status CheckReal(std::string_view flag, std::string_view value) {
  double number = 0;
  if (value.find_first_of("xX \t\n+") == std::string_view::npos &&
      absl::SimpleAtod(std::string(value), &number)) {
    return absl::OkStatus();
  }
  return Bad(flag, value, "want a number such as 0.25");
}

absl::Status CheckList(std::string_view flag, std::string_view value) {
  std::set<std::string> seen;
  size_t count = 0;
  bool all = false;
  for (const absl::string_view word : absl::StrSplit(std::string(value), ',')) {
    const std::string element(word);
    ++count;
    all |=
        std::find(std::begin(kAll), std::end(kAll), element) != std::end(kAll);
    if (element.empty()) {
      return Bad(flag, value, "want one comma between two, and none else");
    }
    if (!seen.insert(element).second) {
      return Bad(flag, value, absl::StrCat("has ", element, " twice"));
    }
  }
  if (all && count > 1) return Bad(flag, value, "want all alone");
  return absl::OkStatus();
}

}  // namespace

// Flags into Abseil's, the rest into Arguments.
class ArgumentParser {
 public:
  explicit ArgumentParser(std::span<const char* const> flags) : flags_(flags) {}

  absl::StatusOr<Arguments> Parse(std::span<const char* const> words) && {
    for (size_t i = 0; i < words.size(); ++i) {
      const std::string_view word = words[i];
      if (word == "--") {
        for (const char* file : words.subspan(i + 1)) {
          result_.files_.emplace_back(file);
        }
        break;
      }
      if (word.size() < 2 || word[0] != '-') {
        result_.files_.emplace_back(word);
        continue;
      }
      const absl::Status status = ReadFlag(word, words, i);
      if (!status.ok()) return status;
    }
    if (settings_.empty()) return std::move(result_);
    const absl::Status status = Set(*Find(kAddsUp), settings_);
    if (!status.ok()) return status;
    return std::move(result_);
  }

 private:
  // nullptr: the program has no such flag.
  absl::CommandLineFlag* Find(std::string_view name) const {
    const bool known =
        std::find(flags_.begin(), flags_.end(), name) != flags_.end();
    return known ? absl::FindCommandLineFlag(std::string(name)) : nullptr;
  }

  // The flag that words[i] is, and its value, which may be the next word.
  absl::Status ReadFlag(std::string_view word,
                        std::span<const char* const> words, size_t& i) {
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    const size_t equals = word.find('=');
    std::string name(word.substr(0, equals));
    std::replace(name.begin(), name.end(), '-', '_');
    absl::CommandLineFlag* flag = Find(name);
    if (flag == nullptr && name.starts_with("no")) {
      flag = Find(name.substr(2));
      if (flag == nullptr || !flag->IsOfType<bool>()) {
        return UnknownFlag(name, flags_);
      }
      if (equals != std::string_view::npos) {
        return absl::InvalidArgumentError(
            absl::StrCat(Dashed(name), ": want it without a value"));
      }
      return SetOnce(name.substr(2), *flag, "false");
    }
    if (flag == nullptr) return UnknownFlag(name, flags_);
    if (equals != std::string_view::npos) {
      return SetOnce(name, *flag, word.substr(equals + 1));
    }
    if (flag->IsOfType<bool>()) return SetOnce(name, *flag, "true");
    if (i + 1 == words.size() || std::string_view(words[i + 1]) == "--" ||
        std::string_view(words[i + 1]).starts_with("--")) {
      return absl::InvalidArgumentError(
          absl::StrCat(Dashed(name), ": want a value"));
    }
    return SetOnce(name, *flag, words[++i]);
  }

  absl::Status SetOnce(const std::string& name, absl::CommandLineFlag& flag,
                       std::string_view value) {
    const bool first = result_.given_.insert(name).second;
    if (value.empty() && name != kMayBeEmpty) {
      return absl::InvalidArgumentError(
          absl::StrCat(Dashed(name), "=: want a value"));
    }
    if (name == kAddsUp) {
      absl::StrAppend(&settings_, first ? "" : ",", std::string(value));
      return absl::OkStatus();
    }
    if (!first) {
      return absl::InvalidArgumentError(
          absl::StrCat(Dashed(name), ": given twice"));
    }
    return Set(flag, value);
  }

  static absl::Status Set(absl::CommandLineFlag& flag, std::string_view value) {
    const absl::Status status = Check(flag, value);
    if (!status.ok()) return status;
    std::string error;
    if (flag.ParseFrom(std::string(value), &error)) return status;
    return Bad(std::string(flag.Name()), value,
               flag.IsOfType<bool>() ? "want true or false" : error);
  }

  static absl::Status Check(const absl::CommandLineFlag& flag,
                            std::string_view value) {
    const std::string name(flag.Name());
    if (flag.IsOfType<int>()) return CheckInteger<int>(name, value);
    if (flag.IsOfType<uint32_t>()) return CheckInteger<uint32_t>(name, value);
    if (flag.IsOfType<int64_t>()) return CheckInteger<int64_t>(name, value);
    if (flag.IsOfType<uint64_t>()) return CheckInteger<uint64_t>(name, value);
    if (flag.IsOfType<double>()) return CheckReal(name, value);
    if (flag.IsOfType<std::vector<std::string>>()) {
      return CheckList(name, value);
    }
    return absl::OkStatus();
  }

  const std::span<const char* const> flags_;
  Arguments result_;
  std::string settings_;  // of --set, with commas
};

absl::Status Arguments::WantsFor(std::string_view needed,
                                 std::span<const char* const> flags) const {
  for (const char* flag : flags) {
    if (!Given(flag)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(Dashed(flag), ": want it with ", std::string(needed)));
  }
  return absl::OkStatus();
}

absl::StatusOr<Arguments> ParseArguments(std::span<const char* const> flags,
                                         int argc, const char* const* argv) {
  const std::span<const char* const> words(argv, static_cast<size_t>(argc));
  return ArgumentParser(flags).Parse(words.subspan(argc > 0 ? 1 : 0));
}

std::string Dashed(std::string_view flag) {
  std::string text = "--" + std::string(flag);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

}  // namespace xmmu::compare
