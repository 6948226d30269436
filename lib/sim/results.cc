#include "xmmu/sim/results.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"

namespace xmmu {

// Their interrupts come from other CPUs (Host::FlushOthers), their rounds from a
// toolstack.
bool CountsByTask(Counter counter) {
  return counter != Counter::kIpis && counter != Counter::kLogDirtyRounds;
}

std::string RowLabel(const ReportRow& row) {
  if (!row.paravirtual) {
    return absl::StrCat(row.policy, ThpSuffix(ChosenThp(row)));
  }
  return absl::StrCat(row.policy, "/", Abs(GuestOpsName(row.guest_ops)), "/",
                      Abs(PinCell(row)), row.shares_file_pages ? "/shared" : "",
                      LinearMapSuffix(row.linear_map));
}

std::string LinearMapSuffix(LinearMap linear_map) {
  if (linear_map == LinearMap::kDefault) return "";
  return absl::StrCat("/", Abs(LinearMapName(linear_map)));
}

std::string ThpSuffix(std::optional<Thp> thp) {
  return thp.has_value() ? absl::StrCat("/thp=", Abs(ThpName(*thp))) : "";
}

std::optional<Thp> ChosenThp(const ReportRow& row) {
  const bool chosen = row.thp_chosen && row.large_pages;
  return chosen ? std::optional<Thp>(row.thp) : std::nullopt;
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

std::string_view Version() { return XMMU_VERSION; }

}  // namespace xmmu
