#include "workload/inspect/trace_point.h"

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/text.h"
#include "workload/inspect/op_names.h"
#include "workload/inspect/stream_merger.h"

namespace xmmu {
namespace {

constexpr char kWantedPoint[] =
    "want the number of an operation, or KIND[:ADDRESS[:COUNT]] such as "
    "fetch:0x401136:3";

absl::Status NoPoint(std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(kWantedPoint, what.empty() ? "" : "; ", Abs(what)));
}

bool ReadAddress(absl::string_view text, uint64_t& address) {
  return text.size() > 2 && text.substr(0, 2) == "0x"
             ? absl::SimpleHexAtoi(text, &address)
             : absl::SimpleAtoi(text, &address);
}

bool HasAddress(GuestOpKind kind) {
  return kind <= GuestOpKind::kCopyOut || kind == GuestOpKind::kExec;
}

bool Matches(const TracePoint& point, const GuestOp& op) {
  if (op.kind != *point.kind) return false;
  if (!point.address.has_value()) return true;
  const uint64_t distance = *point.address - op.va.value();
  return distance < std::max<uint64_t>(op.length, 1);
}

// Waits for one point.
class PointWatch {
 public:
  explicit PointWatch(const TracePoint& point)
      : point_(point), left_(point.count) {}

  // Whether the operation with that number is it.
  bool IsIt(uint64_t number, const GuestOp& op) {
    if (!point_.kind.has_value()) return number == point_.number;
    return Matches(point_, op) && --left_ == 0;
  }

 private:
  const TracePoint point_;
  uint64_t left_;
};

std::string PointText(const TracePoint& point) {
  if (!point.kind.has_value()) {
    return absl::StrCat("operation ", point.number);
  }
  return absl::StrCat(Abs(OpKindName(*point.kind)), " number ", point.count,
                      point.address.has_value()
                          ? absl::StrCat(" of 0x", absl::Hex(*point.address))
                          : "");
}

absl::Status NotThere(const TracePoint& point, std::string_view where,
                      uint64_t operations) {
  return absl::InvalidArgumentError(absl::StrCat("no ", PointText(point),
                                                 Abs(where), ": the trace has ",
                                                 operations, " operations"));
}

}  // namespace

absl::StatusOr<TracePoint> ParseTracePoint(std::string_view text) {
  TracePoint point;
  if (absl::SimpleAtoi(Abs(text), &point.number)) return point;
  const std::vector<absl::string_view> parts = absl::StrSplit(Abs(text), ':');
  point.kind = ParseOpKind({parts[0].data(), parts[0].size()});
  if (parts.size() > 3) return NoPoint("");
  if (!point.kind.has_value() || !IsCounted(*point.kind)) {
    return NoPoint("kinds are those of trace info");
  }
  if (parts.size() > 1 && !(parts[1].empty() && parts.size() == 3)) {
    uint64_t address = 0;
    if (!ReadAddress(parts[1], address)) return NoPoint("");
    if (!HasAddress(*point.kind)) {
      return NoPoint(absl::StrCat(std::string(parts[0]), " has no address"));
    }
    point.address = address;
  }
  if (parts.size() > 2 &&
      (!absl::SimpleAtoi(parts[2], &point.count) || point.count == 0)) {
    return NoPoint("counts are from 1");
  }
  return point;
}

absl::StatusOr<TraceRegion> FindRegion(Workload& workload,
                                       const TracePoint& from,
                                       const std::optional<TracePoint>& to) {
  StreamMerger merger(workload);
  PointWatch begin(from);
  std::optional<PointWatch> end;
  TraceRegion region;
  bool inside = false;
  for (uint64_t number = 0;;) {
    const auto piece = merger.Next();
    if (!piece.ok()) return piece.status();
    if (piece->ops.empty()) {
      return inside ? NotThere(*to, " behind the first point", number)
                    : NotThere(from, "", number);
    }
    for (const GuestOp& op : piece->ops) {
      if (!IsCounted(op.kind)) continue;
      if (!inside && begin.IsIt(number, op)) {
        inside = true;
        region.from = number;
        if (!to.has_value()) return region;
        end.emplace(*to);
      } else if (inside && end->IsIt(number, op)) {
        region.to = number;
        return region;
      }
      ++number;
    }
  }
}

}  // namespace xmmu
