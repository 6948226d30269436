#ifndef XMMU_LIB_STUDY_PUBLISHED_PUBLISHED_H_
#define XMMU_LIB_STUDY_PUBLISHED_PUBLISHED_H_

// What others measured on real machines, beside what runs here make of the
// same: the tables of the first Xen paper (SOSP'03), nanobenchmarks of the
// first hypervisors with hardware support (ASPLOS'06), costs of VM exits and
// flushes, and single figures from Xen's history. No constant is fitted to a
// row, but those that are marked as anchors: rows that constants of the machine
// were derived from. What the model leaves out is said with the row.
//
// Nearly all of theirs are remembered rather than read anew: see the notes.
//
// Called by one thread; runs as many simulations at a time as Jobs::threads says.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/base/jobs.h"
#include "xmmu/report/document.h"

namespace xmmu {

enum class PublishedStudy : uint8_t { kSosp03, kAsplos06, kVmExit, kFigures };

struct PublishedStudyEntry {
  PublishedStudy study;
  std::string_view name;  // "sosp03"
  std::string_view help;  // one line
};

// All of them, in report order.
std::span<const PublishedStudyEntry> PublishedStudies();
std::optional<PublishedStudy> ParsePublishedStudy(std::string_view name);

// A published value and ours. Either may be missing: what was published in
// words only, what the model has not.
struct PublishedCell {
  std::optional<double> theirs;
  std::optional<double> ours;

  // By how many per cent ours is more; nothing if one is missing.
  std::optional<double> gap() const;
};

struct PublishedRow {
  std::string name;  // no commas: it is a cell of CSV
  std::string unit;
  std::vector<PublishedCell> cells;  // by column
  // Constants of the machine were derived from it.
  bool anchor = false;
  // What was run, what was published in words, what the model leaves out.
  std::string note;
};

struct PublishedTable {
  std::string name;
  std::string title;  // what, on which machine, by which strategy
  std::vector<std::string> columns;
  std::vector<PublishedRow> rows;
};

// Runs all that the table needs. Errors: those of Simulator::Create and of
// guests; none is expected. Cancelled if a stop was requested.
absl::StatusOr<PublishedTable> MeasurePublished(PublishedStudy study,
                                                const Jobs& jobs = {});

// Runs all that the tables need, a job a row. Errors: as MeasurePublished().
absl::StatusOr<std::vector<PublishedTable>> MeasurePublishedTables(
    std::span<const PublishedStudy> studies, const Jobs& jobs = {});

// Ours by theirs, a dot a figure.
Chart PublishedChart(const PublishedTable& table);

// The document of tables.
//   text   each table with its notes below
//   data   an object a table
//   table  a line for each row and column; the notes are not in it
Document PublishedDocument(const std::vector<PublishedTable>& tables);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_PUBLISHED_PUBLISHED_H_
