#include "xmmu/report/report_diff.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/printable.h"
#include "base/text.h"
#include "report/parsed_json.h"

namespace xmmu {
namespace {

// Keys that say what an object of a list is of. Where one is a number, that
// counts as a name: it is no result.
constexpr std::string_view kNaming[] = {"machine",
                                        "levels",
                                        "vcpus",
                                        "workload",
                                        "table",
                                        "row",
                                        "column",
                                        "policy",
                                        "guest_ops",
                                        "pin",
                                        "thp",
                                        "domain",
                                        "interval",
                                        "part",
                                        "vcpu",
                                        "process",
                                        "task",
                                        "few",
                                        "many",
                                        "fewer",
                                        "more",
                                        "cost",
                                        "key",
                                        "pattern",
                                        "claim",
                                        "older",
                                        "newer",
                                        "subject",
                                        "number",
                                        "name",
                                        "figure",
                                        "event",
                                        "entries",
                                        "backing",
                                        "va",
                                        "linear_map",
                                        "cheaper",
                                        "dearer",
                                        "shares_file_pages",
                                        "working_set_bytes",
                                        "stride_bytes"};
// The same, where they are words; elsewhere they are counts.
constexpr std::string_view kNamingWords[] = {"memory", "pages"};
// What the host of a simulation takes is no result of it.
constexpr std::string_view kOfHost[] = {"host_bytes"};

template <size_t kCount>
bool IsOneOf(const std::string& key, const std::string_view (&keys)[kCount]) {
  return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
}

bool Names(const Field& field, const Cell& cell) {
  return IsOneOf(field.key, kNaming) ||
         (IsOneOf(field.key, kNamingWords) &&
          std::holds_alternative<std::string>(cell));
}

// What an object of a list is of: "pinning update-va-mapping late".
std::string NameOf(const Record& record) {
  std::vector<std::string> words;
  for (const Field& field : record.fields) {
    const auto* cell = std::get_if<Cell>(&field.value);
    if (cell == nullptr || !Names(field, *cell)) continue;
    if (const auto* truth = std::get_if<bool>(cell)) {
      if (*truth) words.push_back(field.key);
      continue;
    }
    std::string text = CellText(*cell);
    if (text.empty() || text == "-" || text == "default") continue;
    if (field.key == "thp") {
      if (text == "never") continue;
      text = "thp=" + text;
    }
    words.push_back(std::move(text));
  }
  return absl::StrJoin(words, " ");
}

// The objects of a list by what they are of, the second one of a name with a
// number behind it.
std::vector<std::string> NamesOf(const std::vector<Record>& records) {
  std::vector<std::string> names;
  std::map<std::string, int> times;
  for (const Record& record : records) {
    const std::string name = NameOf(record);
    const int time = ++times[name];
    names.push_back(time == 1 ? name : absl::StrCat(name, " #", time));
  }
  return names;
}

std::optional<double> NumberOf(const Cell& cell) {
  if (const auto* number = std::get_if<uint64_t>(&cell)) {
    return static_cast<double>(*number);
  }
  if (const auto* number = std::get_if<int64_t>(&cell)) {
    return static_cast<double>(*number);
  }
  if (const auto* real = std::get_if<Real>(&cell)) return real->value;
  return std::nullopt;
}

// 3 and 3.0 are the same, as JSON has one kind of numbers.
bool Same(const Cell& a, const Cell& b) {
  if (a == b) return true;
  const std::optional<double> number = NumberOf(a);
  return a.index() != b.index() && number.has_value() && number == NumberOf(b);
}

// All cells of a list as one text.
std::string Joined(const std::vector<Cell>& cells) {
  std::vector<std::string> texts;
  for (const Cell& cell : cells) texts.push_back(CellText(cell));
  return absl::StrJoin(texts, " ");
}

// Compares two values and what is in them.
class Comparer {
 public:
  explicit Comparer(ReportDiff& diff) : diff_(diff) {}

  // Where values stand: in which objects of lists, under which key, and whether
  // they are results.
  struct Place {
    std::string where;
    std::string key;
    bool result = false;

    Place Under(const std::string& name) const {
      return {where, key.empty() ? name : absl::StrCat(key, ".", name), result};
    }
    Place In(const std::string& object) const {
      const std::string list = object.empty() ? key : object;
      return {where.empty() ? list : absl::StrCat(where, ": ", list), "", true};
    }
    std::string text() const {
      return absl::StrCat(where, where.empty() || key.empty() ? "" : ": ", key);
    }
  };

  void Compare(const Value& a, const Value& b, const Place& place) {
    if (std::holds_alternative<Cell>(a) && std::holds_alternative<Cell>(b)) {
      return CompareCells(std::get<Cell>(a), std::get<Cell>(b), place);
    }
    if (a.index() != b.index() && !BothLists(a, b)) {
      OnlyOne(a, place, /*in_a=*/true);
      return OnlyOne(b, place, /*in_a=*/false);
    }
    if (const auto* record = std::get_if<Record>(&a)) {
      return CompareRecords(*record, std::get<Record>(b), place);
    }
    if (std::holds_alternative<std::vector<Record>>(a) ||
        std::holds_alternative<std::vector<Record>>(b)) {
      return CompareLists(RecordsOf(a), RecordsOf(b), place);
    }
    CompareCellLists(std::get<std::vector<Cell>>(a),
                     std::get<std::vector<Cell>>(b), place);
  }

 private:
  // A list of nothing may be one of objects.
  static bool BothLists(const Value& a, const Value& b) {
    const auto is_list = [](const Value& value) {
      const auto* cells = std::get_if<std::vector<Cell>>(&value);
      return std::holds_alternative<std::vector<Record>>(value) ||
             (cells != nullptr && cells->empty());
    };
    return is_list(a) && is_list(b);
  }
  static std::vector<Record> RecordsOf(const Value& list) {
    const auto* records = std::get_if<std::vector<Record>>(&list);
    return records == nullptr ? std::vector<Record>() : *records;
  }

  void CompareRecords(const Record& a, const Record& b, const Place& place) {
    std::map<std::string_view, const Field*> in_b;
    for (const Field& field : b.fields) in_b[field.key] = &field;
    for (const Field& field : a.fields) {
      const auto other = in_b.find(field.key);
      Place inner = place.Under(field.key);
      const auto* cell = std::get_if<Cell>(&field.value);
      if (IsOneOf(field.key, kOfHost) ||
          (cell != nullptr && Names(field, *cell))) {
        inner.result = false;
      }
      if (other == in_b.end()) {
        OnlyOne(field.value, inner, /*in_a=*/true);
        continue;
      }
      Compare(field.value, other->second->value, inner);
      in_b.erase(other);
    }
    for (const Field& field : b.fields) {
      if (in_b.contains(field.key)) {
        OnlyOne(field.value, place.Under(field.key), /*in_a=*/false);
      }
    }
  }

  // Lists of one object each are compared whatever these are of: two machines,
  // for example.
  void CompareLists(const std::vector<Record>& a, const std::vector<Record>& b,
                    const Place& place) {
    const std::vector<std::string> names_a = NamesOf(a);
    if (a.size() == 1 && b.size() == 1) {
      return CompareRecords(a.front(), b.front(), place.In(names_a.front()));
    }
    std::map<std::string, size_t> in_b;
    const std::vector<std::string> names_b = NamesOf(b);
    for (size_t i = 0; i < b.size(); ++i) in_b[names_b[i]] = i;
    for (size_t i = 0; i < a.size(); ++i) {
      const auto other = in_b.find(names_a[i]);
      if (other == in_b.end()) {
        diff_.only_a.push_back(place.In(names_a[i]).text());
        continue;
      }
      CompareRecords(a[i], b[other->second], place.In(names_a[i]));
      in_b.erase(other);
    }
    for (const std::string& name : names_b) {
      if (in_b.contains(name)) diff_.only_b.push_back(place.In(name).text());
    }
  }

  void CompareCellLists(const std::vector<Cell>& a, const std::vector<Cell>& b,
                        const Place& place) {
    if (!place.result) {
      return CompareCells(Cell(Joined(a)), Cell(Joined(b)), place);
    }
    for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      Place element = place;
      absl::StrAppend(&element.key, "[", i, "]");
      if (i < a.size() && i < b.size()) {
        CompareCells(a[i], b[i], element);
      } else {
        (i < a.size() ? diff_.only_a : diff_.only_b).push_back(element.text());
      }
    }
  }

  void CompareCells(const Cell& a, const Cell& b, const Place& place) {
    if (place.result) ++diff_.compared;
    if (Same(a, b)) return;
    ReportDifference difference = {place.where, place.key, a, b, {}, {}, true};
    const std::optional<double> number_a = NumberOf(a);
    const std::optional<double> number_b = NumberOf(b);
    if (number_a.has_value() && number_b.has_value()) {
      difference.difference = *number_b - *number_a;
      if (*number_a != 0) {
        difference.percent = 100 * *difference.difference / std::abs(*number_a);
        difference.moved = diff_.tolerance == 0 ||
                           std::abs(*difference.percent) > diff_.tolerance;
      }
    }
    if (!place.result) difference.moved = false;
    (place.result ? diff_.results : diff_.settings)
        .push_back(std::move(difference));
  }

  // A setting of one side alone is a setting that differs; a result of one side
  // alone is more than that.
  void OnlyOne(const Value& value, const Place& place, bool in_a) {
    if (place.result) {
      (in_a ? diff_.only_a : diff_.only_b).push_back(place.text());
      return;
    }
    const auto* cell = std::get_if<Cell>(&value);
    const Cell told = cell != nullptr ? *cell : Cell(std::string("is there"));
    diff_.settings.push_back({place.where,
                              place.key,
                              in_a ? told : Cell(),
                              in_a ? Cell() : told,
                              {},
                              {},
                              false});
  }

  ReportDiff& diff_;
};

absl::StatusOr<Value> ParseReport(std::string_view name,
                                  std::string_view text) {
  auto value = ParseJson(name, text);
  if (!value.ok()) return value.status();
  if (std::holds_alternative<Record>(*value) ||
      std::holds_alternative<std::vector<Record>>(*value)) {
    return value;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(Printable(name),
                   ":1: found no object, want the JSON of a "
                   "report"));
}

// Whether results stand somewhere in `value`: a list of objects.
bool HasResults(const Value& value) {
  if (std::holds_alternative<std::vector<Record>>(value)) return true;
  const auto* const record = std::get_if<Record>(&value);
  return record != nullptr &&
         std::any_of(
             record->fields.begin(), record->fields.end(),
             [](const Field& field) { return HasResults(field.value); });
}

// The error for two reports without a result in common.
absl::Status NothingInCommon(std::string_view name_a, const Value& a,
                             std::string_view name_b, const Value& b) {
  const bool a_has = HasResults(a);
  if (a_has && HasResults(b)) {
    return absl::InvalidArgumentError(absl::StrCat(
        Printable(name_b), ":1: found no results of the kind that ",
        Printable(name_a), " has, want two reports of one command"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(Printable(a_has ? name_b : name_a),
                   ":1: found no results, want the JSON of a report"));
}

}  // namespace

uint64_t ReportDiff::moved() const {
  return static_cast<uint64_t>(
      std::count_if(results.begin(), results.end(),
                    [](const ReportDifference& d) { return d.moved; }));
}

absl::StatusOr<ReportDiff> DiffReports(std::string_view name_a,
                                       std::string_view text_a,
                                       std::string_view name_b,
                                       std::string_view text_b,
                                       double tolerance) {
  const auto a = ParseReport(name_a, text_a);
  if (!a.ok()) return a.status();
  const auto b = ParseReport(name_b, text_b);
  if (!b.ok()) return b.status();
  ReportDiff diff;
  diff.name_a = name_a;
  diff.name_b = name_b;
  diff.tolerance = tolerance;
  Comparer(diff).Compare(*a, *b, {});
  if (diff.compared == 0 && diff.only_a.empty() && diff.only_b.empty()) {
    return NothingInCommon(name_a, *a, name_b, *b);
  }
  return diff;
}

}  // namespace xmmu
