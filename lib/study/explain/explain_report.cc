// An explanation as a document.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/printable.h"
#include "base/text.h"
#include "report/common_fields.h"
#include "study/explain/explain_fields.h"
#include "xmmu/report/outline.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

// Columns of a line with the source of a price; assumed.
constexpr size_t kSourceWidth = 100;

// The prices that the stories rest on, in the order in which they come.
class PriceBook {
 public:
  explicit PriceBook(const std::vector<Story>& stories) {
    for (const Story& story : stories) AddAll(story.steps);
  }

  // The number of a price, from 1 on.
  size_t NumberOf(const StepPrice& price) const {
    return 1 + static_cast<size_t>(Find(price) - prices_.begin());
  }
  const std::vector<StepPrice>& prices() const { return prices_; }

 private:
  std::vector<StepPrice>::const_iterator Find(const StepPrice& price) const {
    return std::find_if(
        prices_.begin(), prices_.end(),
        [&](const StepPrice& known) { return known.event == price.event; });
  }
  void AddAll(const std::vector<StoryStep>& steps) {
    for (const StoryStep& step : steps) {
      if (step.price.has_value() && Find(*step.price) == prices_.end()) {
        prices_.push_back(*step.price);
      }
      AddAll(step.steps);
    }
  }

  std::vector<StepPrice> prices_;
};

std::string StoryHeading(const Explanation& explanation) {
  const SimulatorOptions& options = explanation.options;
  std::string text = absl::StrCat(
      "xmmu ", explanation.version, "\nmachine   ", options.machine, ": ",
      Printable(explanation.machine_description), "\nguest     ",
      Abs(PagingModeName(options.mode)), " paging, ", options.vcpus, " vCPU",
      options.vcpus == 1 ? "" : "s", ", ", options.guest_memory_bytes >> 20,
      " MiB\ntiming    ", Abs(MemoryTimingName(options.timing)), ": ",
      Abs(MemoryTimingHelp(options.timing)), "\nevent     ",
      Printable(explanation.event), ": ", Printable(explanation.help), "\n");
  if (explanation.pages > 0) {
    absl::StrAppend(&text, "pages     ", explanation.pages, "\n");
  }
  if (explanation.hypothetical) {
    absl::StrAppend(&text, "note      hypothetical: ", options.machine,
                    " has no ", Abs(PagingModeName(options.mode)),
                    " paging; its costs and caches are used as if it had\n");
  }
  for (const std::string& what : explanation.left_out) {
    absl::StrAppend(&text, "left out  ", Printable(what), "\n");
  }
  return text + "\n";
}

std::string StoryName(const Explanation& explanation, size_t story) {
  return absl::StrCat(story + 1, " ", RowLabel(explanation.stories[story].row));
}

// A line a story: what it takes, by who takes it.
TextTable StoryTable(const Explanation& explanation) {
  TextTable table(2);
  std::vector<std::string> head = {"#", "strategy", "cycles"};
  for (size_t i = 0; i < kStoryActorCount; ++i) {
    head.emplace_back(StoryActorName(static_cast<StoryActor>(i)));
  }
  head.emplace_back("est. %");
  table.Add(std::move(head));
  table.Rule();
  for (size_t i = 0; i < explanation.stories.size(); ++i) {
    const Story& story = explanation.stories[i];
    const bool there = story.absent.empty();
    std::vector<std::string> cells = {
        absl::StrCat(i + 1), RowLabel(story.row),
        there ? Grouped(story.row.cost.cycles.count()) : "-"};
    for (const Cycles cycles : CyclesByActor(story)) {
      cells.push_back(there ? Grouped(cycles.count()) : "-");
    }
    cells.push_back(there ? EstimatedPercent(story.row.by_mark) : "-");
    table.Add(std::move(cells));
  }
  return table;
}

std::string WhoText(const StoryStep& step) {
  std::string who(StoryActorName(step.actor));
  if (step.cpu > 0) absl::StrAppend(&who, " ", step.cpu);
  return who;
}

void AddSteps(const std::vector<StoryStep>& steps, size_t depth,
              const PriceBook& book, Outline& outline) {
  for (const StoryStep& step : steps) {
    std::vector<std::string> cells = {StepText(step), WhoText(step)};
    const bool free = !step.price.has_value() && step.cycles == Cycles();
    cells.push_back(free ? "" : Grouped(step.cycles.count()));
    if (step.price.has_value()) {
      const StepPrice& price = *step.price;
      cells.push_back(price.times == 1
                          ? Grouped(price.price)
                          : absl::StrCat(Grouped(price.times), " x ",
                                         Grouped(price.price)));
      cells.emplace_back(MarkName(price.mark));
      cells.push_back(absl::StrCat("[", book.NumberOf(price), "]"));
    } else {
      cells.insert(cells.end(), 3, "");
    }
    outline.Add(depth, std::move(cells));
    AddSteps(step.steps, depth + 1, book, outline);
  }
}

// "1,000 cycles, 900 to 1,100, estimated".
std::string PriceWords(const StepPrice& price) {
  std::string text =
      absl::StrCat(Grouped(price.price), " cycle", price.price == 1 ? "" : "s");
  if (price.low != price.high) {
    absl::StrAppend(&text, ", ", Grouped(price.low), " to ",
                    Grouped(price.high));
  }
  return absl::StrCat(text, ", ", Abs(MarkName(price.mark)));
}

// `text` in lines, all but the first one indented by `indent`.
std::string WrappedSource(const std::string& text, size_t indent) {
  std::string lines;
  size_t column = 0;
  for (const absl::string_view word :
       absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (column > 0 && column + 1 + word.size() > kSourceWidth) {
      absl::StrAppend(&lines, "\n", std::string(indent, ' '));
      column = indent;
    } else if (column > 0) {
      lines += ' ';
      ++column;
    } else {
      column = indent;
    }
    absl::StrAppend(&lines, word);
    column += word.size();
  }
  return lines + "\n";
}

std::string PriceLines(const PriceBook& book) {
  if (book.prices().empty()) return "";
  std::string text = "\nprices, and where they are from\n\n";
  for (size_t i = 0; i < book.prices().size(); ++i) {
    const StepPrice& price = book.prices()[i];
    const std::string number = absl::StrCat("[", i + 1, "]");
    absl::StrAppend(
        &text, std::string(number.size() < 6 ? 6 - number.size() : 0, ' '),
        number, " ",
        WrappedSource(
            Printable(absl::StrCat(price.event, ": ", price.help, "; ",
                                   PriceWords(price), ": ", price.source)),
            7));
  }
  return text;
}

// A bar a story, in which `values` of its parts are stacked.
template <typename Values>
Chart StoryBars(const Explanation& explanation,
                const std::vector<Column>& parts, Values values) {
  Chart chart;
  chart.y.title = "cycles";
  chart.as_shares = true;
  for (const Column& part : parts) {
    chart.series.push_back({part.key, part.help, {}});
  }
  for (size_t i = 0; i < explanation.stories.size(); ++i) {
    const Story& story = explanation.stories[i];
    if (!story.absent.empty()) continue;
    const auto x = static_cast<double>(chart.categories.size());
    chart.categories.push_back(StoryName(explanation, i));
    const auto of_story = values(story);
    for (size_t part = 0; part < parts.size(); ++part) {
      chart.series[part].points.push_back(
          {.x = x, .y = static_cast<double>(of_story[part].count())});
    }
  }
  std::erase_if(chart.series, [](const ChartSeries& series) {
    return std::all_of(series.points.begin(), series.points.end(),
                       [](const ChartPoint& point) { return point.y == 0; });
  });
  return chart;
}

std::vector<Column> ActorParts() {
  std::vector<Column> parts;
  for (size_t i = 0; i < kStoryActorCount; ++i) {
    const auto actor = static_cast<StoryActor>(i);
    parts.push_back({std::string(StoryActorName(actor)), "cycles",
                     std::string(StoryActorHelp(actor))});
  }
  return parts;
}

std::vector<Chart> StoryCharts(const Explanation& explanation) {
  const bool any =
      std::any_of(explanation.stories.begin(), explanation.stories.end(),
                  [](const Story& story) { return story.absent.empty(); });
  if (!any) return {};
  Chart who = StoryBars(explanation, ActorParts(), &CyclesByActor);
  who.title = "Cycles by who takes them";
  who.help = "They add up to the cycles of the event.";
  Chart what =
      StoryBars(explanation, kComponentGroup.members(),
                [](const Story& story) { return story.row.cost.by_component; });
  what.title = "Cycles by component";
  what.help = "What the cycles were spent on; they add up to the same.";
  Chart mark = StoryBars(explanation, kMarkGroup.members(),
                         [](const Story& story) { return story.row.by_mark; });
  mark.title = "Cycles by the mark of their prices";
  mark.help = "What is known of the prices; they add up to the same.";
  return {std::move(who), std::move(what), std::move(mark)};
}

std::vector<TermGroup> StoryLegend(const Explanation& explanation,
                                   const PriceBook& book) {
  std::vector<std::string> policies;
  std::vector<GuestOps> ops;
  for (const Story& story : explanation.stories) {
    policies.push_back(story.row.policy);
    ops.push_back(story.row.guest_ops);
  }
  TermGroup who = {"who", {}};
  for (size_t i = 0; i < kStoryActorCount; ++i) {
    const auto actor = static_cast<StoryActor>(i);
    AddTerm(StoryActorName(actor), StoryActorHelp(actor), who);
  }
  TermGroup prices = {"prices", {}};
  for (const StepPrice& price : book.prices()) {
    prices.terms.push_back({price.event, "",
                            absl::StrCat(price.help, "; ", PriceWords(price),
                                         ": ", price.source)});
  }
  return {{"columns",
           {{"strategy", "",
             "strategy, how its guest writes page tables, and when it pins "
             "them"},
            {"est. %", "",
             "share of the cycles whose prices are remembered or estimated"},
            {"step", "",
             "a function of Xen or Linux, something that a processor does, or "
             "what is charged; N x: so many one behind the other, added up"},
            {"who", "",
             "who takes the step; with a number: on that CPU, else on CPU 0"},
            {"price", "cycles", "what the cycles are made of"},
            {"source", "", "number of the price in the list of all of them"}}},
          std::move(who),
          PolicyTerms(policies),
          GuestOpsTerms(ops),
          std::move(prices),
          MarkTermGroup()};
}

void AddStory(const Explanation& explanation, size_t i, const PriceBook& book,
              std::vector<Document::Block>& text) {
  const Story& story = explanation.stories[i];
  const std::string name = absl::StrCat("\n", StoryName(explanation, i), ": ");
  if (!story.absent.empty()) {
    text.emplace_back(absl::StrCat(name, Printable(story.absent), "\n"));
    return;
  }
  text.emplace_back(
      absl::StrCat(name, Grouped(story.row.cost.cycles.count()), " cycles",
                   story.row.hypothetical.empty()
                       ? ""
                       : absl::StrCat("; hypothetical: the machine has no ",
                                      story.row.hypothetical),
                   "\n"));
  Outline outline({"step", "who", "cycles", "price", "mark", "source"}, 1);
  AddSteps(story.steps, 0, book, outline);
  text.emplace_back(std::move(outline));
}

}  // namespace

Document ExplanationDocument(const Explanation& explanation,
                             const RunIdentity& identity) {
  const PriceBook book(explanation.stories);
  Document document;
  document.text.emplace_back(StoryHeading(explanation));
  document.text.emplace_back(StoryTable(explanation));
  for (size_t i = 0; i < explanation.stories.size(); ++i) {
    AddStory(explanation, i, book, document.text);
  }
  document.text.emplace_back(PriceLines(book));
  document.text.emplace_back("\n" + MarkLines());
  document.table = ExplanationTable(explanation, identity);
  document.data = ExplanationRecord(explanation, identity);
  document.charts = StoryCharts(explanation);
  document.legend = StoryLegend(explanation, book);
  if (!identity.machine_file.empty()) {
    document.again.push_back({"machine file", identity.machine_file});
  }
  if (!identity.trace_sha1.empty()) {
    document.again.push_back({"SHA-1 of the trace", identity.trace_sha1});
  }
  return document;
}

}  // namespace xmmu
