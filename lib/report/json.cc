// The data of a document as JSON. The only file that knows the JSON library.

#include "report/json.h"

#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

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

}  // namespace

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
