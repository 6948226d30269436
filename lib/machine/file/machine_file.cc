#include "xmmu/machine/machine_file.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/printable.h"
#include "base/regular_file.h"
#include "base/text.h"
#include "machine/file/machine_document.h"
#include "machine/file/machine_fields.h"
#include "machine/file/machine_loader.h"

namespace xmmu {
namespace {

// This is some thirty times the size of a file that states all values of a
// machine with their sources.
constexpr uint64_t kMostFileBytes = 1 << 20;
constexpr std::string_view kHeadings[] = {"base", "name", "description"};

// Whether text, CSV and JSON can all show `text` as a name without quoting it.
bool IsName(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
           c == '_' || c == '-' || c == '+';
  });
}

// Returns the entry of `key` at the top of the document, or null.
const DocumentEntry* Find(const std::vector<DocumentEntry>& document,
                          std::string_view key) {
  for (const DocumentEntry& entry : document) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

// Errors are reported at "FILE:LINE", and an unmarked value is sourced to the
// file.
MachineOrigin FileOrigin(std::string_view file) {
  const std::string name = Printable(file);
  return {[name](uint32_t line) {
            return line == 0 ? name : absl::StrCat(name, ":", line);
          },
          [name](uint32_t) { return "assumed: given in " + name; }};
}

// Returns the text of `key` at the head of a file, or an empty one if the file
// has no such key.
absl::StatusOr<std::string> Heading(const std::vector<DocumentEntry>& document,
                                    const MachineOrigin& origin,
                                    std::string_view key) {
  const DocumentEntry* const entry = Find(document, key);
  if (entry == nullptr) return std::string();
  const auto* text = std::get_if<std::string>(&entry->value);
  const bool name = key != "description";
  if (text == nullptr || !IsLineOfText(*text) || (name && !IsName(*text))) {
    return absl::InvalidArgumentError(
        absl::StrCat(origin.where(entry->line), ": ", Abs(key), ": want ",
                     name ? "a name of letters, digits, '.', '_', '-' and '+'"
                          : "a line of text"));
  }
  return *text;
}

// Returns the preset that the file names as its base, or an empty model.
absl::StatusOr<MachineModel> BaseOf(const std::vector<DocumentEntry>& document,
                                    const MachineOrigin& origin) {
  const auto base = Heading(document, origin, "base");
  if (!base.ok()) return base.status();
  if (base->empty()) return MachineModel();
  const MachineModel* const preset = FindMachine(*base);
  if (preset != nullptr) return *preset;
  return absl::InvalidArgumentError(absl::StrCat(
      origin.where(Find(document, "base")->line), ": base: no '", *base,
      "', want one of ",
      NamesOf(Machines(), [](const MachineModel* m) { return m->name; })));
}

// Sets name and description, which come from the base if the file has none.
absl::Status SetHeadings(const std::vector<DocumentEntry>& document,
                         const MachineOrigin& origin, MachineModel& model) {
  for (const bool is_name : {true, false}) {
    const std::string_view key = is_name ? "name" : "description";
    const auto text = Heading(document, origin, key);
    if (!text.ok()) return text.status();
    std::string_view& slot = is_name ? model.name : model.description;
    if (!text->empty()) slot = model.Keep(*text);
    if (!slot.empty()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        origin.where(0), ": ", Abs(key), ": missing, and there is no base"));
  }
  return absl::OkStatus();
}

// Parses `text`; an error of its syntax gets the place that `origin` names.
absl::StatusOr<std::vector<DocumentEntry>> Parse(std::string_view text,
                                                 const MachineOrigin& origin) {
  ParsedDocument document = ParseDocument(text);
  if (document.error.empty()) return std::move(document.entries);
  return absl::InvalidArgumentError(
      absl::StrCat(origin.where(document.error_line), ": ", document.error));
}

bool IsHeading(std::string_view key) {
  return std::find(std::begin(kHeadings), std::end(kHeadings),
                   key.substr(0, key.find('.'))) != std::end(kHeadings);
}

// Whether TOML would read all of `value`: a text in quotes, or no blank and no
// '#', after which TOML would skip a comment.
bool IsOneValue(std::string_view value) {
  return value.starts_with('"') || value.starts_with('\'') ||
         value.find_first_of(" #") == std::string_view::npos;
}

// Returns a line of TOML for "key=value", with a short form of the key spelt
// out, or nothing if `setting` is not of that form.
std::string SettingLine(const std::string& setting, MachineModel& model) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos || !IsLineOfText(setting)) return "";
  std::string key = setting.substr(0, equals);
  std::string value = setting.substr(equals + 1);
  if (!IsName(key) || value.empty() || !IsOneValue(value)) return "";
  const bool short_form = key.find('.') == std::string::npos;
  for (const MachineSection& section : SectionsOf(model)) {
    if (section.path == key || (short_form && section.path == "cost." + key)) {
      key = absl::StrCat(section.path, ".", Abs(section.fields.front().name));
      break;
    }
  }
  // A word that is no TOML value is taken as a text, so that the shell's quotes
  // suffice.
  const bool word = IsName(value) &&
                    absl::ascii_isalnum(static_cast<unsigned char>(value[0])) &&
                    !ParseDocument(key + " = " + value).error.empty();
  if (word) value = "\"" + value + "\"";
  return key + " = " + value;
}

// Returns which prices have followed others on the way from `before` to
// `after`, as the end of a sentence, or nothing if none has.
std::string Followers(const MachineModel& before, const MachineModel& after) {
  std::vector<std::string> prices;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    if (!after.price_rules[i].exists()) continue;
    if (after.costs[i].value == before.costs[i].value) continue;
    const auto event = static_cast<CostEvent>(i);
    prices.push_back(
        absl::StrCat(Abs(CostEventName(event)), "=", after.costs[i].value));
  }
  if (prices.empty()) return "";
  return absl::StrCat(", and so ", absl::StrJoin(prices, ", "));
}

std::string TomlText(std::string_view value) {
  return DocumentText(std::string(value));
}

}  // namespace

std::string MachineToml(const MachineModel& machine) {
  std::string text =
      absl::StrCat("name = ", TomlText(machine.name),
                   "\ndescription = ", TomlText(machine.description), "\n");
  MachineModel copy = machine;
  for (const MachineSection& section : SectionsOf(copy)) {
    if (IsAbsent(section)) continue;
    absl::StrAppend(&text, "\n[", section.path, "]\n");
    for (const MachineField& field : section.fields) {
      absl::StrAppend(&text, Abs(field.name), " = ",
                      DocumentText(ValueOf(field)), "\n");
    }
    if (section.low != nullptr &&
        !(section.band_optional && *section.high == 0)) {
      absl::StrAppend(&text, "low = ", *section.low, "\nhigh = ", *section.high,
                      "\n");
    }
    absl::StrAppend(&text, "mark = ", TomlText(MarkName(*section.mark)),
                    "\nsource = ", TomlText(*section.source), "\n");
  }
  return text;
}

absl::StatusOr<MachineModel> ParseMachine(std::string_view text,
                                          std::string_view file) {
  const MachineOrigin origin = FileOrigin(file);
  const auto document = Parse(text, origin);
  if (!document.ok()) return document.status();
  absl::StatusOr<MachineModel> model = BaseOf(*document, origin);
  if (!model.ok()) return model.status();
  const bool whole = model->name.empty();
  absl::Status status = SetHeadings(*document, origin, *model);
  if (status.ok()) status = LoadValues(*document, origin, whole, *model);
  if (!status.ok()) return status;
  return model;
}

absl::StatusOr<MachineModel> LoadMachine(const std::string& path) {
  const absl::StatusOr<std::string> text =
      ReadRegularFile(path, kMostFileBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<MachineModel> model = ParseMachine(*text, path);
  if (!model.ok()) return model.status();
  const MachineModel* const preset = FindMachine(model->name);
  if (preset != nullptr && *preset == *model) return model;
  model->description = model->Keep(
      absl::StrCat(Abs(model->description), "; from ", Printable(path)));
  if (preset != nullptr) {
    model->name = model->Keep(absl::StrCat(Abs(model->name), "+file"));
  }
  return model;
}

absl::Status SetMachineValues(std::span<const std::string> settings,
                              MachineModel& machine) {
  if (settings.empty()) return absl::OkStatus();
  MachineModel model = machine;
  std::string text;
  for (const std::string& setting : settings) {
    if (IsHeading(setting.substr(0, setting.find('=')))) {
      return absl::InvalidArgumentError(
          absl::StrCat(setting,
                       ": is no value of the machine, want a key such "
                       "as cost.mov_cr3.value"));
    }
    const std::string line = SettingLine(setting, model);
    if (line.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(setting, ": want KEY=VALUE"));
    }
    absl::StrAppend(&text, line, "\n");
  }
  const MachineOrigin origin = {
      [&](uint32_t line) { return settings[line == 0 ? 0 : line - 1]; },
      [&](uint32_t line) { return "assumed: set to " + settings[line - 1]; }};
  const auto document = Parse(text, origin);
  if (!document.ok()) return document.status();
  absl::Status status = LoadValues(*document, origin, /*whole=*/false, model);
  if (!status.ok()) return status;
  model.name = model.Keep(absl::StrCat(Abs(model.name), "+set"));
  model.description = model.Keep(absl::StrCat(Abs(model.description), "; with ",
                                              absl::StrJoin(settings, ", "),
                                              Followers(machine, model)));
  machine = std::move(model);
  return absl::OkStatus();
}

}  // namespace xmmu
