// The data of a document as JSON, and JSON as data. The only file that knows the
// JSON library.

#include "report/json.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "base/text.h"
#include "report/parsed_json.h"
#include "report/renderers.h"

namespace xmmu {
namespace {

using Json = nlohmann::ordered_json;

// One overload for each alternative of Cell and Value, for std::visit.
struct ToJson {
  Json operator()(Absent) const { return {}; }
  Json operator()(std::monostate) const { return {}; }
  Json operator()(bool truth) const { return truth; }
  Json operator()(uint64_t number) const { return number; }
  Json operator()(int64_t number) const { return number; }
  Json operator()(const Real& real) const { return real.value; }
  Json operator()(const std::string& text) const { return text; }
  Json operator()(const Cell& cell) const { return std::visit(*this, cell); }
  Json operator()(const Record& record) const {
    Json json = Json::object();
    for (const Field& field : record.fields) {
      if (std::holds_alternative<Absent>(field.value)) continue;
      json[field.key] = std::visit(*this, field.value);
    }
    return json;
  }
  template <typename T>
  Json operator()(const std::vector<T>& values) const {
    Json json = Json::array();
    for (const T& value : values) json.push_back((*this)(value));
    return json;
  }
};

// Digits behind the point of a number that was read, for CSV.
constexpr int kReadDecimals = 6;

// Builds a Value from the events of nlohmann's parser (its SAX interface, whose
// names these are). A function that returns false ends the parse.
class ValueBuilder : public nlohmann::json_sax<Json> {
 public:
  // `size` is how many bytes the text has.
  explicit ValueBuilder(size_t size) : size_(size) {}

  bool null() override { return Take(Cell()); }
  bool boolean(bool truth) override { return Take(Cell(truth)); }
  bool number_integer(int64_t number) override { return Take(Cell(number)); }
  bool number_unsigned(uint64_t number) override { return Take(Cell(number)); }
  bool number_float(double number, const std::string&) override {
    return Take(Cell(Real{number, kReadDecimals}));
  }
  bool string(std::string& text) override { return Take(Cell(text)); }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(size_t) override { return Open(/*is_list=*/false); }
  bool start_array(size_t) override { return Open(/*is_list=*/true); }
  bool end_array() override { return Close(); }
  bool end_object() override { return Close(); }
  bool key(std::string& name) override {
    open_.back().key = name;
    if (open_.back().keys.insert(name).second) return true;
    fault_ = absl::StrCat("key '", Printable(name), "' a second time");
    return false;
  }
  // `position` counts the bytes that were asked for; the token is all that was
  // read of what is not understood, of which the last character is one too many.
  bool parse_error(size_t position, const std::string& token,
                   const Json::exception&) override {
    fault_ =
        position > size_ || token.empty()
            ? "its end"
            : absl::StrCat("'", Printable(token.substr(token.size() - 1)), "'");
    return false;
  }

  // What was read. REQUIRES: the parse has come to its end.
  Value Result() && { return std::move(result_); }
  // What ended it.
  const std::string& fault() const { return fault_; }

 private:
  static constexpr size_t kDeepest = 32;

  // An object or a list whose end has not come.
  struct Part {
    bool is_list = false;
    std::string key;
    absl::flat_hash_set<std::string> keys;
    Record record;
    std::vector<Cell> cells;
    std::vector<Record> records;
  };

  bool Open(bool is_list) {
    if (open_.size() == kDeepest) {
      fault_ = absl::StrCat("more than ", kDeepest, " objects in each other");
      return false;
    }
    open_.emplace_back().is_list = is_list;
    return true;
  }

  bool Close() {
    Part part = std::move(open_.back());
    open_.pop_back();
    if (!part.is_list) return Take(std::move(part.record));
    if (!part.records.empty()) return Take(std::move(part.records));
    return Take(std::move(part.cells));
  }

  bool Take(Value value) {
    if (open_.empty()) {
      result_ = std::move(value);
      return true;
    }
    Part& part = open_.back();
    if (!part.is_list) {
      part.record.fields.push_back({part.key, "", "", std::move(value)});
    } else if (auto* cell = std::get_if<Cell>(&value)) {
      part.cells.push_back(std::move(*cell));
    } else if (auto* record = std::get_if<Record>(&value)) {
      part.records.push_back(std::move(*record));
    }
    return true;
  }

  const size_t size_;
  std::vector<Part> open_;
  Value result_;
  std::string fault_;
};

// Reads a text and notes where it has last read, as the parser tells of most
// faults only what they are.
class Reader {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Reader(const char* at, const char*& last) : at_(at), last_(&last) {}
  char operator*() const { return *at_; }
  Reader& operator++() {
    *last_ = at_++;
    return *this;
  }
  Reader operator++(int) {
    const Reader before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Reader& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  const char** last_;
};

}  // namespace

absl::StatusOr<Value> ParseJson(std::string_view name, std::string_view text) {
  ValueBuilder builder(text.size());
  const char* last = text.data();
  if (Json::sax_parse(Reader(text.data(), last),
                      Reader(text.data() + text.size(), last), &builder)) {
    return std::move(builder).Result();
  }
  const auto line = 1 + std::count(text.data(), last, '\n');
  return absl::InvalidArgumentError(
      absl::StrCat(Printable(name), ":", line, ": found ", builder.fault(),
                   ", want the JSON of a report"));
}

std::string JsonText(const Value& value) {
  return std::visit(ToJson(), value)
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string RenderJson(const Document& document) {
  return std::visit(ToJson(), document.data)
             .dump(document.json_indent, ' ', false,
                   Json::error_handler_t::replace) +
         "\n";
}

}  // namespace xmmu
