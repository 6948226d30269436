#include "xmmu/report/report.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "report/report_formats.h"

namespace xmmu {
namespace {

constexpr std::array kFormats = {ReportFormat::kTable, ReportFormat::kJson,
                                 ReportFormat::kCsv};

}  // namespace

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

}  // namespace xmmu
