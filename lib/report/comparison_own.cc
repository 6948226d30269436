// What a row has of its policy's own: figures, and events that take time.

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "report/comparison_fields.h"

namespace xmmu {

Value FiguresValue(const ReportRow& row) {
  if (row.figures.empty()) return Absent();
  Record record;
  for (const OwnFigure& figure : row.figures) {
    const auto* count = std::get_if<uint64_t>(&figure.value);
    Cell cell;
    if (count != nullptr) {
      cell = *count;
    } else {
      cell = Real{std::get<double>(figure.value), 6};
    }
    record.fields.push_back(
        {figure.name, figure.unit, figure.help, std::move(cell)});
  }
  return record;
}

Value OwnEventsValue(const ReportRow& row) {
  if (row.own_events.empty()) return Absent();
  Record record;
  for (const OwnEventCost& own : row.own_events) {
    const OwnEvent& event = own.event;
    Record one;
    one.fields = {
        PlainField("count", "events", event.help, own.count),
        PlainField("cycles", "cycles", event.help, own.cycles.count()),
        PlainField("component", "", "component that the cycles count under",
                   std::string(ComponentName(event.component))),
        PlainField("price", "cycles", "cycles each time",
                   uint64_t{event.price}),
        PlainField("mark", "", "how far the price can be trusted",
                   std::string(MarkName(event.mark))),
        PlainField("source", "", "where the price is from", event.source)};
    record.fields.push_back({event.name, "", event.help, std::move(one)});
  }
  return record;
}

}  // namespace xmmu
