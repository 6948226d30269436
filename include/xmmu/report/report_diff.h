#ifndef XMMU_REPORT_REPORT_DIFF_H_
#define XMMU_REPORT_REPORT_DIFF_H_

// Two reports in JSON, of any command and of any version, and what is different
// in them: to hold two machines against each other, or a program against what it
// was when somebody last looked.
//
// What is under the same keys is compared. Objects in lists (rows, ways, cells)
// are found by what they are of, such as their policy and their pin, wherever
// they stand; so a report may have rows more, or in another order.
//
// Plain values; any thread. Charges nothing.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/base/cell.h"
#include "xmmu/report/document.h"

namespace xmmu {

// A value that is not the same in both.
struct ReportDifference {
  std::string where;  // the objects that it is in: "pinning late"; may be empty
  std::string key;    // "cycles_by_component.walk"
  Cell a;             // std::monostate: a null of JSON
  Cell b;
  // B less A, and in percent of A; nothing unless both are numbers, and no
  // percent of 0.
  std::optional<double> difference;
  std::optional<double> percent;
  // Whether it is more than what is tolerated.
  bool moved = false;
};

struct ReportDiff {
  std::string name_a;
  std::string name_b;
  double tolerance = 0;   // percent
  uint64_t compared = 0;  // values that both have, as results
  // Results that differ, in the order of A.
  std::vector<ReportDifference> results;
  // What differs in how the two were made: the machine, options, versions. It is
  // told, and judged by nobody.
  std::vector<ReportDifference> settings;
  // Objects and keys that only one side has.
  std::vector<std::string> only_a;
  std::vector<std::string> only_b;

  // Results that differ by more than is tolerated.
  uint64_t moved() const;
  // Whether the two come to the same: nothing has moved, and neither side has
  // results that the other lacks.
  bool same() const { return moved() == 0 && only_a.empty() && only_b.empty(); }
};

// Compares the reports `text_a` and `text_b`, which errors call `name_a` and
// `name_b`. A number may be `tolerance` percent of A's more or less than A's.
// Results are what stands in lists of objects; what the simulator takes of its
// own host (host_bytes) is a setting.
// Errors: InvalidArgument "NAME:LINE: what is wrong, what was expected" for what
// is no JSON, no report, or nested deeper than reports are.
absl::StatusOr<ReportDiff> DiffReports(std::string_view name_a,
                                       std::string_view text_a,
                                       std::string_view name_b,
                                       std::string_view text_b,
                                       double tolerance = 0);

// The document of a comparison.
//   text   settings, the cycles of each row, what moved most, what one side has
//   data   one object
//   table  a line a result that differs
Document DiffDocument(const ReportDiff& diff);

}  // namespace xmmu

#endif  // XMMU_REPORT_REPORT_DIFF_H_
