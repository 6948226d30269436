#include "study/crossing_sensitivity.h"

#include <algorithm>
#include <utility>

#include "base/job_list.h"

namespace xmmu {
namespace {

using WayCycles = std::vector<int64_t>;

WayCycles CyclesAt(const UpdateCosts& costs, const PriceList& prices) {
  WayCycles cycles;
  cycles.reserve(costs.forms.size());
  for (const PriceForm& form : costs.forms) {
    cycles.push_back(ValueOf(form, prices));
  }
  return cycles;
}

// How two curves lie: the first difference, and where it first turns.
struct Shape {
  int first = 0;
  uint64_t updates = 0;

  bool IsLike(const Shape& other) const {
    return first == other.first && (updates == 0) == (other.updates == 0);
  }
};

Shape ShapeOf(const WayCycles& a, const WayCycles& b) {
  Shape shape;
  for (size_t i = 0; i < a.size(); ++i) {
    const int sign = SignOf(a[i] - b[i]);
    if (sign == 0 || sign == shape.first) continue;
    if (shape.first != 0) {
      shape.updates = i + 1;
      break;
    }
    shape.first = sign;
  }
  return shape;
}

// Two ways and all that is found out about them.
class Pair {
 public:
  Pair(const Crossover& crossover, size_t a, size_t b, const PriceList& own)
      : a_(crossover.ways[a]), b_(crossover.ways[b]), own_(own) {
    shape_ = ShapeOf(CyclesAt(a_, own), CyclesAt(b_, own));
    verdict_.few = shape_.first > 0 ? b : a;
    verdict_.many = shape_.first > 0 ? a : b;
    verdict_.updates = verdict_.least = verdict_.most = shape_.updates;
    same_ = a_.forms == b_.forms;
  }

  bool same() const { return same_; }
  const CrossingVerdict& verdict() const { return verdict_; }

  void AddEnds(const SweptPrice& price, const Shape& low, const Shape& high) {
    AddEnd(price, price.low, low);
    AddEnd(price, price.high, high);
    if (shape_.updates == 0 || !low.IsLike(shape_) || !high.IsLike(shape_)) {
      return;
    }
    const uint64_t span = Span(low.updates, high.updates);
    if (span <= furthest_) return;
    furthest_ = span;
    verdict_.mover = {price, low.updates, high.updates};
  }

  void AddSample(const Shape& shape) {
    if (shape.IsLike(shape_)) return Widen(shape);
    ++verdict_.samples_against;
  }

 private:
  static uint64_t Span(uint64_t a, uint64_t b) { return a < b ? b - a : a - b; }

  void Widen(const Shape& shape) {
    verdict_.least = std::min(verdict_.least, shape.updates);
    verdict_.most = std::max(verdict_.most, shape.updates);
  }

  void AddEnd(const SweptPrice& price, uint32_t end, const Shape& shape) {
    if (shape.IsLike(shape_)) return Widen(shape);
    verdict_.flips.push_back({price.event, Boundary(price, end)});
  }

  // Bisects between the machine's own price, where the shape is the machine's,
  // and `end`, where it is another; returns the first price with another shape.
  uint32_t Boundary(const SweptPrice& price, uint32_t end) const {
    PriceList prices = own_;
    uint32_t like = price.value;
    uint32_t unlike = end;
    while (Span(like, unlike) > 1) {
      const uint32_t middle = like / 2 + unlike / 2 + (like & unlike & 1);
      prices[static_cast<size_t>(price.event)] = middle;
      const Shape shape = ShapeOf(CyclesAt(a_, prices), CyclesAt(b_, prices));
      (shape.IsLike(shape_) ? like : unlike) = middle;
    }
    return unlike;
  }

  const UpdateCosts& a_;
  const UpdateCosts& b_;
  const PriceList& own_;
  Shape shape_;
  bool same_ = false;
  uint64_t furthest_ = 0;
  CrossingVerdict verdict_;
};

class CrossingSweep {
 public:
  CrossingSweep(const Crossover& crossover, const PriceSweep& sweep)
      : crossover_(crossover), sweep_(sweep) {
    for (const auto& [a, b] : crossover.compared) {
      Pair pair(crossover, a, b, sweep.prices);
      if (pair.same()) continue;
      indices_.emplace_back(a, b);
      pairs_.push_back(std::move(pair));
    }
  }

  absl::StatusOr<std::vector<CrossingVerdict>> Run(const Jobs& jobs) {
    absl::Status status = SweepEnds(jobs);
    if (status.ok()) status = SweepSamples(jobs);
    if (!status.ok()) return status;
    std::vector<CrossingVerdict> verdicts;
    for (const Pair& pair : pairs_) verdicts.push_back(pair.verdict());
    return verdicts;
  }

 private:
  // Samples whose shapes are kept at a time.
  static constexpr size_t kKept = 256;

  // The machine's prices with that of the swept one at `index / 2` at the low
  // end of its band, or for an odd index at the high one.
  PriceList EndOf(size_t index) const {
    const SweptPrice& price = sweep_.swept[index / 2];
    PriceList prices = sweep_.prices;
    prices[static_cast<size_t>(price.event)] =
        index % 2 == 0 ? price.low : price.high;
    return prices;
  }

  absl::Status SweepEnds(const Jobs& jobs) {
    std::vector<std::vector<Shape>> ends(2 * sweep_.swept.size());
    absl::Status status =
        ParallelFor(jobs, ends.size(), [&](size_t i, const std::stop_token&) {
          ends[i] = ShapesAt(EndOf(i));
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    return ParallelFor(
        jobs, pairs_.size(), [&](size_t i, const std::stop_token&) {
          for (size_t price = 0; price < sweep_.swept.size(); ++price) {
            pairs_[i].AddEnds(sweep_.swept[price], ends[2 * price][i],
                              ends[2 * price + 1][i]);
          }
          return absl::OkStatus();
        });
  }

  absl::Status SweepSamples(const Jobs& jobs) {
    const size_t count = sweep_.samples.size();
    std::vector<std::vector<Shape>> shapes(std::min(count, kKept));
    for (size_t first = 0; first < count; first += kKept) {
      const size_t some = std::min(count - first, kKept);
      absl::Status status =
          ParallelFor(jobs, some, [&](size_t i, const std::stop_token&) {
            shapes[i] = ShapesAt(sweep_.samples[first + i]);
            return absl::OkStatus();
          });
      if (!status.ok()) return status;
      for (size_t i = 0; i < some; ++i) {
        for (size_t pair = 0; pair < pairs_.size(); ++pair) {
          pairs_[pair].AddSample(shapes[i][pair]);
        }
      }
    }
    return absl::OkStatus();
  }

  std::vector<Shape> ShapesAt(const PriceList& prices) const {
    std::vector<WayCycles> cycles;
    for (const UpdateCosts& costs : crossover_.ways) {
      cycles.push_back(CyclesAt(costs, prices));
    }
    std::vector<Shape> shapes;
    for (const auto& [a, b] : indices_) {
      shapes.push_back(ShapeOf(cycles[a], cycles[b]));
    }
    return shapes;
  }

  const Crossover& crossover_;
  const PriceSweep& sweep_;
  std::vector<std::pair<size_t, size_t>> indices_;
  std::vector<Pair> pairs_;
};

}  // namespace

absl::StatusOr<CrossingSensitivity> SweepCrossings(const Crossover& crossover,
                                                   const SweepOptions& options,
                                                   const Jobs& jobs) {
  CrossingSensitivity sensitivity;
  sensitivity.sweep = MakePriceSweep(crossover.costs, options);
  auto verdicts = CrossingSweep(crossover, sensitivity.sweep).Run(jobs);
  if (!verdicts.ok()) return verdicts.status();
  sensitivity.verdicts = *std::move(verdicts);
  return sensitivity;
}

}  // namespace xmmu
