#ifndef XMMU_LIB_REPORT_JSON_H_
#define XMMU_LIB_REPORT_JSON_H_

// Pieces of JSON that several reports have.

#include <nlohmann/json.hpp>
#include <string>

#include "xmmu/sim/results.h"

namespace xmmu {

// The whole of a comparison.
nlohmann::ordered_json ComparisonJson(const Comparison& comparison);
// `json` as text that ends in a newline, `indent` blanks a step. All reports go
// through it: bytes that are no UTF-8 become U+FFFD, as JSON has no others.
std::string JsonText(const nlohmann::ordered_json& json, int indent);
// Cycles by the name of the component; all components.
nlohmann::ordered_json ComponentsJson(const Cost& cost);
// Adds cycles_by_mark and share_by_mark, each by the name of the mark.
void AddMarksJson(const MarkCycles& cycles, nlohmann::ordered_json& json);
// Reserved and peak bytes by the name of the part.
nlohmann::ordered_json MemoryPartsJson(const ReportRow& row);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_JSON_H_
