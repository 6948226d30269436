#include "xmmu/sim/report.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "sim/report_formats.h"
#include "sim/text.h"

namespace xmmu {
namespace {

constexpr std::array kFormats = {ReportFormat::kTable, ReportFormat::kJson,
                                 ReportFormat::kCsv};

}  // namespace

std::string RowLabel(const ReportRow& row) {
  if (!row.paravirtual) return row.policy;
  return absl::StrCat(row.policy, "/", Abs(GuestOpsName(row.guest_ops)), "/",
                      Abs(PinCell(row)), row.shares_file_pages ? "/shared" : "",
                      LinearMapSuffix(row.linear_map));
}

std::string LinearMapSuffix(LinearMap linear_map) {
  if (linear_map == LinearMap::kDefault) return "";
  return absl::StrCat("/", Abs(LinearMapName(linear_map)));
}

std::string_view PinCell(const ReportRow& row) {
  return row.paravirtual ? PinWhenName(row.pin) : "-";
}

std::string IdleVcpuLines(std::span<const ReportRow> rows,
                          std::string_view indent) {
  std::map<std::pair<int, int>, std::vector<size_t>> by_count;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].idle_vcpus == 0) continue;
    by_count[{rows[i].idle_vcpus, rows[i].vcpus}].push_back(i + 1);
  }
  std::string text;
  for (const auto& [count, numbers] : by_count) {
    const std::string which =
        numbers.size() == rows.size()
            ? "in all rows"
            : absl::StrCat("in row", numbers.size() == 1 ? " " : "s ",
                           absl::StrJoin(numbers, ", "));
    absl::StrAppend(&text, Abs(indent), count.first, " of ", count.second,
                    " vCPUs idled ", which,
                    ": there was no task for them to run\n");
  }
  return text;
}

bool DigestsAgree(const Comparison& comparison) {
  return std::all_of(comparison.rows.begin(), comparison.rows.end(),
                     [&](const ReportRow& row) {
                       return row.guest_digest ==
                              comparison.rows.front().guest_digest;
                     });
}

std::string_view ReportFormatName(ReportFormat format) {
  switch (format) {
    case ReportFormat::kTable:
      return "table";
    case ReportFormat::kJson:
      return "json";
    case ReportFormat::kCsv:
      return "csv";
  }
  return "";
}

std::optional<ReportFormat> ParseReportFormat(std::string_view name) {
  for (ReportFormat format : kFormats) {
    if (ReportFormatName(format) == name) return format;
  }
  return std::nullopt;
}

std::span<const ReportFormat> AllReportFormats() { return kFormats; }

std::string FormatReport(const Comparison& comparison, ReportFormat format) {
  switch (format) {
    case ReportFormat::kTable:
      return FormatTable(comparison);
    case ReportFormat::kJson:
      return FormatJson(comparison);
    case ReportFormat::kCsv:
      return FormatCsv(comparison);
  }
  return "";
}

std::string DigestText(uint64_t digest) {
  return absl::StrCat(absl::Hex(digest, absl::kZeroPad16));
}

std::string_view Version() { return XMMU_VERSION; }

}  // namespace xmmu
