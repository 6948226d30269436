#include "machine/file/machine_loader.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/printable.h"
#include "base/text.h"
#include "machine/file/machine_fields.h"

namespace xmmu {
namespace {

constexpr Mark kMarks[] = {Mark::kRead, Mark::kMeasured, Mark::kDerived,
                           Mark::kRemembered, Mark::kEstimated};

// Puts the values of a document into a model.
class Loader {
 public:
  Loader(const MachineOrigin& origin, bool whole, MachineModel& model)
      : origin_(origin),
        whole_(whole),
        model_(model),
        sections_(SectionsOf(model)) {}

  absl::Status Load(const std::vector<DocumentEntry>& document) {
    absl::Status status = Walk(document, "");
    if (status.ok() && whole_) status = CheckNothingMissing();
    if (!status.ok()) return status;
    const std::optional<MachineComplaint> complaint =
        FindComplaint(model_, /*bands=*/true);
    if (complaint.has_value()) {
      const auto line = lines_.find(complaint->path);
      return Error(line == lines_.end() ? 0 : line->second, complaint->path,
                   complaint->what);
    }
    FollowPriceRules(model_);
    return status;
  }

 private:
  // Which parts of a section the document states.
  struct Given {
    size_t fields = 0;
    bool first = false;
    bool low = false, high = false, mark = false, source = false;
    uint32_t line = 0;
  };

  absl::Status Error(uint32_t line, std::string_view key,
                     std::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(origin_.where(line), ": ", Abs(key), ": ", Abs(what)));
  }

  MachineSection* Find(std::string_view path) {
    for (MachineSection& section : sections_) {
      if (section.path == path) return &section;
    }
    return nullptr;
  }

  // Whether there are sections whose keys begin with `path`.
  bool HasBelow(const std::string& path) const {
    return std::any_of(sections_.begin(), sections_.end(),
                       [prefix = path + "."](const MachineSection& section) {
                         return section.path.starts_with(prefix);
                       });
  }

  // Loads a table: the values of the section at `path`, and the tables below
  // it. `cost.mov_cr3 = 500` sets the first value of a section alone.
  absl::Status Walk(const std::vector<DocumentEntry>& table,
                    const std::string& path) {
    MachineSection* const section = path.empty() ? nullptr : Find(path);
    Given given;
    for (const DocumentEntry& entry : table) {
      if (path.empty() && IsHeading(entry.key)) continue;
      const std::string below =
          path.empty() ? entry.key : absl::StrCat(path, ".", entry.key);
      absl::Status status;
      if (entry.is_table && (Find(below) != nullptr || HasBelow(below))) {
        status = Walk(entry.table, below);
      } else if (section != nullptr) {
        status = SetValue(*section, entry.key, entry, given);
      } else if (MachineSection* one = Find(below); one != nullptr) {
        status = SetAlone(*one, entry);
      } else {
        status = Error(entry.line, below, Wanted(path, entry.key));
      }
      if (!status.ok()) return status;
    }
    return section == nullptr ? absl::OkStatus() : Finish(*section, given);
  }

  static bool IsHeading(std::string_view name) {
    return name == "base" || name == "name" || name == "description";
  }

  // The end of an error for the unknown key `given`: it has the nearest of the
  // keys below `path`, and lists them all unless they are too many for a line.
  // At the top a price is known by its name alone, too.
  std::string Wanted(const std::string& path, std::string_view given) const {
    constexpr size_t kMost = 16;
    std::vector<std::string> names;
    if (path.empty()) names = {"base", "name", "description"};
    const size_t begin = path.empty() ? 0 : path.size() + 1;
    for (const MachineSection& section : sections_) {
      if (!path.empty() && !section.path.starts_with(path + ".")) continue;
      const size_t end = section.path.find('.', begin);
      const std::string name = section.path.substr(begin, end - begin);
      if (names.empty() || names.back() != name) names.push_back(name);
    }
    std::vector<std::string_view> known(names.begin(), names.end());
    for (size_t i = 0; path.empty() && i < kCostEventCount; ++i) {
      known.push_back(CostEventName(static_cast<CostEvent>(i)));
    }
    const std::string_view nearest = NearestName(given, known);
    const std::string meant =
        nearest.empty() ? ""
                        : absl::StrCat(", did you mean ", Abs(nearest), "?");
    if (names.size() > kMost) return "no such key" + meant;
    return absl::StrCat("no such key", meant,
                        meant.empty() ? ", want " : " Want ",
                        absl::StrJoin(names, ", "));
  }

  // Sets the first field of a section that is given as a plain value.
  absl::Status SetAlone(MachineSection& section, const DocumentEntry& entry) {
    Given given;
    absl::Status status = SetValue(
        section, std::string(section.fields.front().name), entry, given);
    return status.ok() ? Finish(section, given) : status;
  }

  // Sets one value, and remembers the last line of the section for its errors.
  absl::Status SetValue(MachineSection& section, const std::string& name,
                        const DocumentEntry& entry, Given& given) {
    given.line = std::max(given.line, entry.line);
    const std::string complaint = Set(section, name, entry.value, given);
    if (complaint.empty()) return absl::OkStatus();
    return Error(entry.line, absl::StrCat(section.path, ".", name), complaint);
  }

  // Sets the value or the part of the provenance called `name`. Returns an
  // empty text, or what would have been accepted.
  std::string Set(MachineSection& section, const std::string& name,
                  const MachineValue& value, Given& given) {
    for (const MachineField& field : section.fields) {
      if (field.name != name) continue;
      ++given.fields;
      given.first |= &field == &section.fields.front();
      return SetField(field, value);
    }
    if (section.low != nullptr && name == "low") {
      given.low = true;
      return SetField({"low", section.low, ""}, value);
    }
    if (section.high != nullptr && name == "high") {
      given.high = true;
      return SetField({"high", section.high, ""}, value);
    }
    if (name == "mark") {
      given.mark = true;
      return SetMark(value, *section.mark);
    }
    if (name == "source") {
      given.source = true;
      return SetSource(value, *section.source);
    }
    return UnknownIn(section);
  }

  static std::string UnknownIn(const MachineSection& section) {
    std::string names = NamesOf(
        section.fields, [](const MachineField& field) { return field.name; });
    if (section.low != nullptr) names += ", low, high";
    return absl::StrCat("no such key, want ", names, ", mark, source");
  }

  static std::string SetMark(const MachineValue& value, Mark& slot) {
    const auto* text = std::get_if<std::string>(&value);
    for (const Mark mark : kMarks) {
      if (text == nullptr || *text != MarkName(mark)) continue;
      slot = mark;
      return "";
    }
    return "want a mark: " + NamesOf(kMarks, &MarkName);
  }

  std::string SetSource(const MachineValue& value, std::string_view& slot) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr || !IsLineOfText(*text)) return "want a line of text";
    slot = model_.Keep(*text);
    return "";
  }

  // Completes a section once all its keys are read: a value without a mark is
  // marked as estimated, and a new value without a band has none.
  absl::Status Finish(MachineSection& section, const Given& given) {
    const auto error = [&](std::string_view what) {
      return Error(given.line, section.path, what);
    };
    if (given.line == 0) return absl::OkStatus();
    if (given.mark != given.source) return error("want both mark and source");
    if (given.low != given.high) return error("want both low and high");
    if (whole_ && given.fields < section.fields.size()) {
      return error(absl::StrCat(
          "want all of ",
          NamesOf(section.fields, [](const MachineField& f) { return f.name; }),
          ", as there is no base"));
    }
    if (given.fields != 0 && !given.mark) {
      *section.mark = Mark::kEstimated;
      *section.source = model_.Keep(origin_.source(given.line));
    }
    if (given.first && !given.low && section.low != nullptr) ClearBand(section);
    if (given.first) ForgetRule(section);
    lines_[section.path] = given.line;
    return absl::OkStatus();
  }

  // A price that the file states follows no other price any more.
  void ForgetRule(const MachineSection& section) {
    for (size_t i = 0; i < kCostEventCount; ++i) {
      if (&model_.costs[i].mark == section.mark) model_.price_rules[i] = {};
    }
  }

  // A cost's band must exist and shrinks to its value; other bands are dropped.
  static void ClearBand(MachineSection& section) {
    const auto number = static_cast<uint32_t>(
        std::get<int64_t>(ValueOf(section.fields.front())));
    *section.low = section.band_optional ? 0 : number;
    *section.high = *section.low;
  }

  // Without a base all sections must be given but arrays and caches, which a
  // machine need not have.
  absl::Status CheckNothingMissing() const {
    for (const MachineSection& section : sections_) {
      const bool may = section.low != nullptr && section.band_optional;
      if (may || !section.source->empty()) continue;
      return Error(0, section.path, "missing, and there is no base");
    }
    return absl::OkStatus();
  }

  const MachineOrigin& origin_;
  const bool whole_;  // there is no base to add to
  MachineModel& model_;
  std::vector<MachineSection> sections_;
  std::map<std::string, uint32_t> lines_;  // the last line of each section
};

}  // namespace

bool IsLineOfText(std::string_view text) {
  return !text.empty() && Printable(text) == text;
}

absl::Status LoadValues(const std::vector<DocumentEntry>& document,
                        const MachineOrigin& origin, bool whole,
                        MachineModel& model) {
  return Loader(origin, whole, model).Load(document);
}

}  // namespace xmmu
