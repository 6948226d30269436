#include "cli/arguments.h"

#include <charconv>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/text.h"

namespace xmmu::cli {
namespace {

// Elements that stand for several, and so for all of a list.
constexpr std::string_view kStandForAll[] = {"all", "all+variants"};

}  // namespace

void Arguments::Add(const std::string& name, std::string text,
                    std::string origin) {
  Value& value = given_[name];
  value.texts.push_back(std::move(text));
  value.origin = std::move(origin);
}

bool Arguments::GivenOnCommandLine(const std::string& name) const {
  const auto found = given_.find(name);
  return found != given_.end() && found->second.origin.empty();
}

std::vector<std::string> Arguments::WordsOfConfig() const {
  std::vector<std::string> words;
  for (const auto& [name, value] : given_) {
    if (value.origin.empty()) continue;
    for (const std::string& text : value.texts) {
      words.push_back(absl::StrCat("--", name, "=", text));
    }
  }
  return words;
}

size_t Arguments::Times(const std::string& name) const {
  const auto found = given_.find(name);
  return found == given_.end() ? 0 : found->second.texts.size();
}

std::string Arguments::Text(const std::string& name,
                            const std::string& otherwise) const {
  const auto found = given_.find(name);
  if (found == given_.end()) return otherwise;
  return absl::StrJoin(found->second.texts, ",");
}

absl::StatusOr<bool> Arguments::IsOn(const std::string& name) const {
  const std::string text = Text(name, "false");
  if (text != "true" && text != "false")
    return Refuse(name, "want true or false");
  return text == "true";
}

absl::StatusOr<std::vector<std::string>> Arguments::List(
    const std::string& name) const {
  std::vector<std::string> elements;
  if (!Given(name)) return elements;
  std::set<std::string> seen;
  bool all = false;
  for (const absl::string_view word : absl::StrSplit(Text(name), ',')) {
    std::string element(word);
    for (const std::string_view several : kStandForAll)
      all |= element == several;
    if (element.empty()) {
      return Refuse(name, "want one comma between two, and none else");
    }
    if (!seen.insert(element).second) {
      return Refuse(name, absl::StrCat("has ", element, " twice"));
    }
    elements.push_back(std::move(element));
  }
  if (all && elements.size() > 1) return Refuse(name, "want all alone");
  return elements;
}

std::string Arguments::Where(const std::string& name) const {
  const auto found = given_.find(name);
  const bool in_file = found != given_.end() && !found->second.origin.empty();
  return absl::StrCat(in_file ? found->second.origin + ": " : "--", name);
}

absl::Status Arguments::Refuse(const std::string& name,
                               std::string_view want) const {
  return Refuse(name, Text(name), want);
}

absl::Status Arguments::Refuse(const std::string& name, std::string_view text,
                               std::string_view want) const {
  return absl::InvalidArgumentError(
      absl::StrCat(Where(name), "=", Abs(text), ": ", Abs(want)));
}

absl::Status Arguments::WantsFor(
    std::string_view needed, std::span<const std::string_view> names) const {
  for (const std::string_view view : names) {
    const std::string name(view);
    // A switch that is off asks for nothing.
    if (!Given(name) || Text(name) == "false") continue;
    return absl::InvalidArgumentError(
        absl::StrCat(Where(name), ": want it with ", Abs(needed)));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> WholeNumber(const Arguments& arguments,
                                     const std::string& name,
                                     uint64_t otherwise, uint64_t most,
                                     uint64_t least) {
  if (!arguments.Given(name)) return otherwise;
  const std::string text = arguments.Text(name);
  const char* const end = text.data() + text.size();
  uint64_t number = 0;
  const auto [last, error] = std::from_chars(text.data(), end, number);
  const bool whole = error == std::errc() && last == end;
  if (whole && number >= least && number <= most) return number;
  return arguments.Refuse(name, absl::StrCat("want ", least, " to ", most));
}

}  // namespace xmmu::cli
