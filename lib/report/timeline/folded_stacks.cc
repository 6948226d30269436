// Writes the sums of spans as folded stacks.
// Source: B. Gregg, FlameGraph, stackcollapse-perf.pl: frames with semicolons
// between them, a blank, a number.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "xmmu/report/timeline.h"

namespace xmmu {
namespace {

// Adds the lines of a row. Each stack is behind the one without its last span.
void AppendStacks(const std::string& row, const SpanSums& spans,
                  std::string& text) {
  std::vector<std::string> stacks;
  for (const SpanSum& sum : spans.sums()) {
    if (sum.name == nullptr) {
      stacks.push_back(row);
      if (sum.cycles == 0) continue;
      absl::StrAppend(&text, row, ";program ", sum.cycles, "\n");
      continue;
    }
    const SpanSum& parent = spans.sums()[sum.parent];
    std::string stack = stacks[sum.parent];
    if (parent.name == nullptr || parent.actor != sum.actor) {
      absl::StrAppend(&stack, ";", Abs(ActorName(sum.actor)));
    }
    absl::StrAppend(&stack, ";", sum.name);
    if (sum.cycles > 0) absl::StrAppend(&text, stack, " ", sum.cycles, "\n");
    stacks.push_back(std::move(stack));
  }
}

}  // namespace

std::string RenderStacks(const Comparison& comparison) {
  std::string text;
  for (const ReportRow& row : comparison.rows) {
    if (row.spans == nullptr || !row.spans->options().sums) continue;
    AppendStacks(RowLabel(row), row.spans->sums(), text);
  }
  return text;
}

}  // namespace xmmu
