#ifndef XMMU_REPORT_CITATIONS_H_
#define XMMU_REPORT_CITATIONS_H_

// What a paper cites that shows figures of xmmu: the program in its version, and
// the works that the values of the machine are from; as BibTeX.
//
// Plain values; any thread. Charges nothing.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/works.h"
#include "xmmu/report/document.h"

namespace xmmu {

// The cycles that each price came to in all rows of a report, by the name of its
// event.
using CyclesByPrice = absl::btree_map<std::string, uint64_t>;

struct CitedWork {
  const Work* work = nullptr;
  // The sections of the machines that rest on it, by their keys: "cost.iret",
  // "tlb.data_l1.1".
  std::vector<std::string> values;
  // What the prices among them came to. A price may rest on several works.
  uint64_t cycles = 0;
};

// Values that rest on no work.
struct UncitedValues {
  uint64_t values = 0;
  uint64_t cycles = 0;
};

struct Citations {
  std::string version;                // of xmmu, which the figures are of
  std::vector<std::string> machines;  // their names
  uint64_t cycles = 0;                // of all rows; 0: of no report
  std::vector<CitedWork> works;       // by key
  UncitedValues own;                  // estimated, or measured by the authors
  UncitedValues remembered;
  // Sources in words of a user's own machine, and of nothing else: no work that
  // is known here is in them.
  std::vector<std::string> unknown;
};

// The works that `machines` rest on. Prices that follow from others (as
// PriceRule says) rest on what those rest on. If `cycles` is given, prices that
// came to nothing are left out.
Citations CitationsOf(std::span<const MachineModel* const> machines,
                      const CyclesByPrice* cycles = nullptr);

// The same of the report `text`, JSON of any command, which errors call `name`:
// of the machine file that it has, or else of the presets that it names.
// Errors: InvalidArgument "NAME:LINE: what is wrong" for what is no JSON;
// InvalidArgument for a report that names no machine that is known here.
absl::StatusOr<Citations> CitationsOfReport(std::string_view name,
                                            std::string_view text);

// The document.
//   text   BibTeX; between entries lines that begin with %
//   data   one object
//   table  a line an entry
Document CitationDocument(const Citations& citations);

}  // namespace xmmu

#endif  // XMMU_REPORT_CITATIONS_H_
