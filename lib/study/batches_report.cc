#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "report/json.h"
#include "report/mark_fields.h"
#include "report/text_table.h"
#include "study/batches.h"
#include "xmmu/base/printable.h"

namespace xmmu {
namespace {

using Json = nlohmann::ordered_json;

// What a table that is opened is judged by, in the table of policies.
constexpr std::string_view kEmulation = "trap-and-emulate";

// The most entries that bucket `i` of BatchRow::closed counts.
uint64_t MostOf(size_t i) { return i == 0 ? 0 : uint64_t{1} << (i - 1); }

std::string BucketName(size_t i) {
  if (i < 3) return absl::StrCat(i);
  return absl::StrCat(MostOf(i - 1) + 1, "-", MostOf(i));
}

uint64_t Sum(const std::vector<uint64_t>& values) {
  uint64_t sum = 0;
  for (const uint64_t value : values) sum += value;
  return sum;
}

// Buckets that any row has something in.
size_t BucketsOf(const Batches& batches) {
  size_t used = 0;
  for (const BatchRow& row : batches.rows) {
    for (size_t i = 0; i < row.closed.size(); ++i) {
      if (row.closed[i] != 0) used = std::max(used, i + 1);
    }
  }
  return used;
}

std::string BatchTable(const Batches& batches) {
  const size_t buckets = BucketsOf(batches);
  TextTable table(1);
  std::vector<std::string> head = {"way", "closed", "updates"};
  for (size_t i = 0; i < buckets; ++i) head.push_back(BucketName(i));
  table.Add(std::move(head));
  table.Rule();
  for (const BatchRow& row : batches.rows) {
    if (row.closed.empty()) continue;
    std::vector<std::string> cells = {
        UpdateWayName(row.way), Grouped(Sum(row.closed)), Grouped(row.updates)};
    for (size_t i = 0; i < buckets; ++i) {
      cells.push_back(Grouped(row.closed[i]));
    }
    table.Add(std::move(cells));
  }
  return table.Format();
}

double Ratio(uint64_t part, uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

std::string CycleTable(const Batches& batches) {
  TextTable table(1);
  std::vector<std::string> head = {"way", "cycles", "x first"};
  for (size_t i = 0; i < kMarkCount; ++i) {
    head.push_back(absl::StrCat("% ", Abs(MarkName(static_cast<Mark>(i)))));
  }
  table.Add(std::move(head));
  table.Rule();
  for (const BatchRow& row : batches.rows) {
    std::vector<std::string> cells = {
        UpdateWayName(row.way), Grouped(row.cycles),
        absl::StrFormat("%.2f",
                        Ratio(row.cycles, batches.rows.front().cycles))};
    for (std::string& percent : MarkPercents(row.by_mark)) {
      cells.push_back(std::move(percent));
    }
    table.Add(std::move(cells));
  }
  return table.Format();
}

std::string Words(const Batches& batches) {
  std::string text;
  for (const BatchRow& open : batches.rows) {
    if (open.closed.empty()) continue;
    for (const BatchRow& other : batches.rows) {
      const bool emulates_the_same =
          other.way.policy == kEmulation && other.way.ops == open.way.ops;
      if (!emulates_the_same) continue;
      absl::StrAppend(&text, "  ", UpdateWayName(open.way),
                      absl::StrFormat(" takes %.3f times the cycles of ",
                                      Ratio(open.cycles, other.cycles)),
                      UpdateWayName(other.way),
                      absl::StrFormat(", at %.2f updates a table opened\n",
                                      Ratio(open.updates, Sum(open.closed))));
    }
  }
  return text;
}

Json JsonOf(const Batches& batches) {
  Json json;
  json["machine"] = batches.machine;
  json["levels"] = LevelCount(batches.mode);
  json["workload"] = batches.workload;
  json["ways"] = Json::array();
  for (const BatchRow& row : batches.rows) {
    Json closed = Json::object();
    for (size_t i = 0; i < row.closed.size(); ++i) {
      closed[absl::StrCat(MostOf(i))] = row.closed[i];
    }
    Json way = {{"policy", row.way.policy},
                {"guest_ops", GuestOpsName(row.way.ops)},
                {"cycles", row.cycles},
                {"updates", row.updates},
                {"closed_by_most_updates", closed}};
    AddMarksJson(row.by_mark, way);
    json["ways"].push_back(std::move(way));
  }
  return json;
}

}  // namespace

std::string FormatBatchesCsv(const std::vector<Batches>& all) {
  std::vector<std::string> head = {"machine",   "levels", "policy",
                                   "guest_ops", "cycles", "updates"};
  for (size_t i = 0; i < kBatchBuckets; ++i) {
    head.push_back(absl::StrCat("closed_", MostOf(i)));
  }
  AddMarkNames(head);
  std::string text = CsvLine(head);
  for (const Batches& batches : all) {
    for (const BatchRow& row : batches.rows) {
      std::vector<std::string> cells = {
          batches.machine,          absl::StrCat(LevelCount(batches.mode)),
          row.way.policy,           std::string(GuestOpsName(row.way.ops)),
          absl::StrCat(row.cycles), absl::StrCat(row.updates)};
      for (size_t i = 0; i < kBatchBuckets; ++i) {
        cells.push_back(absl::StrCat(row.closed.empty() ? 0 : row.closed[i]));
      }
      AddMarkShares(row.by_mark, cells);
      text += CsvLine(cells);
    }
  }
  return text;
}

std::string FormatBatchesJson(const std::vector<Batches>& all) {
  Json json = Json::array();
  for (const Batches& batches : all) json.push_back(JsonOf(batches));
  return JsonText(json, 1);
}

std::string FormatBatchesText(const std::vector<Batches>& all) {
  std::string text;
  for (const Batches& batches : all) {
    absl::StrAppend(
        &text, text.empty() ? "" : "\n", batches.machine, ", ",
        Abs(PagingModeName(batches.mode)), ", ", Printable(batches.workload),
        ": tables closed, by updates in them\n\n", BatchTable(batches), "\n",
        CycleTable(batches), "\n", Words(batches));
  }
  return text;
}

}  // namespace xmmu
