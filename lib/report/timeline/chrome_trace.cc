// Writes timelines as Chrome trace events.
// Source: "Trace Event Format" (catapult-project/catapult); what viewers make of
// it: Perfetto's src/trace_processor/importers/json, speedscope's
// src/import/chrome.ts.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "report/json.h"
#include "xmmu/report/timeline.h"

namespace xmmu {
namespace {

std::string Quoted(std::string_view text) {
  return JsonText(Cell(std::string(text)));
}

// One event of a row, by its record; a span has a duration.
struct TraceEvent {
  const SpanRecord* record = nullptr;
  uint64_t duration = 0;
  bool outermost = false;  // of spans
};

// The events of a row in the order of the file: by time; at one time, as they
// happened, so that what is around comes before what is within, and what sends
// before what receives.
class TraceEvents {
 public:
  explicit TraceEvents(const SpanLog& log)
      : open_(log.track_count()), last_(log.track_count()) {
    for (const SpanRecord& record : log.records()) Take(record);
    for (uint32_t track = 0; track < open_.size(); ++track) {
      while (!open_[track].empty()) Close(track, last_[track]);
    }
    std::erase_if(events_, [&](const TraceEvent& event) {
      return IsHalfFlow(*event.record);
    });
    std::stable_sort(events_.begin(), events_.end(),
                     [](const TraceEvent& a, const TraceEvent& b) {
                       return a.record->time < b.record->time;
                     });
  }

  const std::vector<TraceEvent>& events() const { return events_; }

 private:
  void Take(const SpanRecord& record) {
    last_[record.track] = std::max(last_[record.track], record.time);
    switch (record.kind) {
      case SpanKind::kEnd:
        return Close(record.track, record.time);
      case SpanKind::kBegin:
        events_.push_back({&record, 0, open_[record.track].empty()});
        open_[record.track].push_back(events_.size() - 1);
        return;
      case SpanKind::kFlowOut:
      case SpanKind::kFlowIn:
        ++halves_[record.value];
        [[fallthrough]];
      case SpanKind::kInstant:
      case SpanKind::kCounter:
        events_.push_back({&record});
        return;
      case SpanKind::kStep:
      case SpanKind::kCharge:
      case SpanKind::kOwnCharge:
        return;  // not of a timeline
    }
  }

  void Close(uint32_t track, uint64_t time) {
    TraceEvent& event = events_[open_[track].back()];
    event.duration = time - event.record->time;
    open_[track].pop_back();
  }

  // Whether the other end of a flow is not in the log.
  bool IsHalfFlow(const SpanRecord& record) const {
    const bool flow =
        record.kind == SpanKind::kFlowOut || record.kind == SpanKind::kFlowIn;
    return flow && halves_.at(record.value) != 2;
  }

  std::vector<TraceEvent> events_;
  std::vector<std::vector<size_t>> open_;  // indices of events, by track
  std::vector<uint64_t> last_;             // times, by track
  absl::flat_hash_map<uint64_t, int> halves_;
};

std::string ArgsText(const SpanLog& log, const SpanRecord& record) {
  std::string text;
  for (const SpanArg& arg : log.ArgsOf(record)) {
    absl::StrAppend(&text, text.empty() ? "" : ",", Quoted(arg.name), ":");
    if (arg.text != nullptr) {
      text += Quoted(arg.text);
    } else if (arg.hex) {
      absl::StrAppendFormat(&text, "\"0x%x\"", arg.number);
    } else {
      absl::StrAppend(&text, arg.number);
    }
  }
  return text.empty() ? text : absl::StrCat(",\"args\":{", text, "}");
}

// Writes the rows, one after the other.
class TraceWriter {
 public:
  std::string Take() { return std::move(text_); }

  void Row(const std::string& name, std::string_view thread,
           const SpanLog& log) {
    ++process_;
    Name("process_name", absl::StrCat("\"name\":", Quoted(name)), 0);
    Name("process_sort_index", absl::StrCat("\"sort_index\":", process_), 0);
    for (size_t track = 0; track < log.track_count(); ++track) {
      Name("thread_name",
           absl::StrCat("\"name\":",
                        Quoted(absl::StrCat(Abs(thread), " ", track))),
           track);
    }
    const TraceEvents events(log);
    for (const TraceEvent& event : events.events()) Event(log, event);
    flows_ += log.flow_count();
  }

 private:
  // The name in quotes; there are few.
  const std::string& NameOf(const SpanRecord& record) {
    std::string& quoted = names_[record.name];
    if (quoted.empty()) quoted = Quoted(record.name);
    return quoted;
  }

  void Begin(std::string_view phase, size_t track) {
    absl::StrAppend(&text_, text_.empty() ? "" : ",\n", "{\"ph\":\"",
                    Abs(phase), "\",\"pid\":", process_, ",\"tid\":", track);
  }
  void Name(std::string_view what, const std::string& args, size_t track) {
    Begin("M", track);
    absl::StrAppend(&text_, ",\"name\":\"", Abs(what), "\",\"args\":{", args,
                    "}}");
  }

  void Event(const SpanLog& log, const TraceEvent& event) {
    const SpanRecord& record = *event.record;
    const std::string when =
        absl::StrCat(",\"ts\":", record.time, ",\"name\":", NameOf(record));
    const std::string actor =
        absl::StrCat(",\"cat\":\"", Abs(ActorName(record.actor)), "\"");
    switch (record.kind) {
      case SpanKind::kCounter:
        Begin("C", record.track);
        absl::StrAppend(&text_, when, ",\"args\":{\"value\":", record.value,
                        "}}");
        return;
      case SpanKind::kFlowOut:
        Begin("s", record.track);
        absl::StrAppend(&text_, when,
                        ",\"cat\":\"flow\",\"id\":", flows_ + record.value,
                        "}");
        return;
      case SpanKind::kFlowIn:
        Begin("f", record.track);
        absl::StrAppend(&text_, when, ",\"cat\":\"flow\",\"bp\":\"e\",\"id\":",
                        flows_ + record.value, "}");
        return;
      default:
        break;
    }
    if (event.duration == 0) {
      Begin("i", record.track);
      absl::StrAppend(&text_, when, actor, ",\"s\":\"t\"");
    } else {
      Begin("X", record.track);
      absl::StrAppend(&text_, when, actor, ",\"dur\":", event.duration);
    }
    absl::StrAppend(&text_, event.outermost ? ArgsText(log, record) : "", "}");
  }

  std::string text_;
  absl::flat_hash_map<const char*, std::string> names_;
  int process_ = 0;
  uint64_t flows_ = 0;  // of the rows before
};

std::string LeftOutText(const Comparison& comparison) {
  std::string text;
  for (const ReportRow& row : comparison.rows) {
    if (row.spans == nullptr || row.spans->dropped() == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ",", Quoted(RowLabel(row)), ":",
                    row.spans->dropped());
  }
  return text.empty() ? text : absl::StrCat(",\"left_out\":{", text, "}");
}

}  // namespace

std::string RenderTimeline(const Comparison& comparison) {
  TraceWriter writer;
  // vCPU N of each domain runs on CPU N.
  const bool one = comparison.options.domains == 1;
  for (const ReportRow& row : comparison.rows) {
    if (row.spans == nullptr) continue;
    writer.Row(absl::StrCat(RowLabel(row), " on ", comparison.options.machine,
                            " (1 us = 1 cycle)"),
               one ? "vCPU" : "CPU", *row.spans);
  }
  return absl::StrCat("{\"displayTimeUnit\":\"ms\",\"otherData\":{\"xmmu\":",
                      Quoted(comparison.version),
                      ",\"unit\":\"1 us = 1 cycle\",\"workload\":",
                      Quoted(comparison.workload), LeftOutText(comparison),
                      "},\"traceEvents\":[\n", writer.Take(), "\n]}\n");
}

std::string LeftOutOfTimeline(const Comparison& comparison) {
  size_t rows = 0;
  size_t most = 0;
  for (const ReportRow& row : comparison.rows) {
    if (row.spans == nullptr || row.spans->dropped() == 0) continue;
    ++rows;
    most = row.spans->options().most_records;
  }
  if (rows == 0) return {};
  return absl::StrCat("the timelines of ", rows, " of ", comparison.rows.size(),
                      " rows end after ", most,
                      " events; want --timeline-from and --timeline-for");
}

}  // namespace xmmu
