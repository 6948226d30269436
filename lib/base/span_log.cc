#include "xmmu/base/span_log.h"

#include <algorithm>

namespace xmmu {

std::string_view ActorName(Actor actor) {
  switch (actor) {
    case Actor::kProcessor:
      return "processor";
    case Actor::kXen:
      return "xen";
    case Actor::kGuestKernel:
      return "kernel";
  }
  return "";
}

std::vector<SpanArg> SpanLog::ArgsOf(const SpanRecord& record) const {
  std::vector<SpanArg> args;
  for (uint32_t next = record.last_arg; next != 0;) {
    const ChainedArg& chained = args_[next - 1];
    args.push_back(chained.arg);
    next = chained.previous;
  }
  std::reverse(args.begin(), args.end());
  return args;
}

void SpanLog::Attach(const CycleClock& clock) {
  const size_t track = clock.span_track();
  if (track >= accesses_.size()) accesses_.resize(track + 1);
  accesses_[track] = clock.tally(CostEvent::kAccess);
  if (options_.sums) sums_.Attach(clock.span_track(), clock.busy().count());
}

bool SpanLog::Takes(uint64_t time) {
  if (time < options_.from) return false;
  if (options_.length && time - options_.from >= *options_.length) return false;
  if (records_.size() < options_.most_records) return true;
  ++dropped_;
  return false;
}

std::optional<uint32_t> SpanLog::Add(const CycleClock& clock, SpanKind kind,
                                     Actor actor, const char* name,
                                     uint64_t value) {
  AddAccesses(clock);
  const uint64_t time = clock.now().count() - origin_;
  if (!Takes(time)) return std::nullopt;
  records_.push_back({.kind = kind,
                      .actor = actor,
                      .track = clock.span_track(),
                      .time = time,
                      .name = name,
                      .value = value});
  return static_cast<uint32_t>(records_.size() - 1);
}

void SpanLog::AddArg(uint32_t record, const SpanArg& arg) {
  args_.push_back({arg, records_[record].last_arg});
  records_[record].last_arg = static_cast<uint32_t>(args_.size());
}

std::optional<uint32_t> SpanLog::Begin(const CycleClock& clock, Actor actor,
                                       const char* name) {
  if (options_.sums) {
    sums_.Begin(clock.span_track(), actor, name, clock.busy().count());
  }
  return Add(clock, SpanKind::kBegin, actor, name);
}

void SpanLog::End(const CycleClock& clock, bool taken) {
  if (options_.sums) sums_.End(clock.span_track(), clock.busy().count());
  AddAccesses(clock);
  if (!taken) return;
  records_.push_back({.kind = SpanKind::kEnd,
                      .track = clock.span_track(),
                      .time = clock.now().count() - origin_});
}

void SpanLog::AddCharge(const CycleClock& clock, SpanKind kind, uint32_t event,
                        uint64_t times) {
  AddAccesses(clock);
  const uint64_t time = clock.now().count() - origin_;
  if (!Takes(time)) return;
  records_.push_back({.kind = kind,
                      .track = clock.span_track(),
                      .time = time,
                      .value = times,
                      .event = event});
}

void SpanLog::CatchUp(const CycleClock& clock) {
  AddAccesses(clock);
  if (options_.sums) sums_.CatchUp(clock.span_track(), clock.busy().count());
}

void SpanLog::AddAccesses(const CycleClock& clock) {
  if (!options_.charges) return;
  const uint64_t tally = clock.tally(CostEvent::kAccess);
  const uint64_t times = tally - accesses_[clock.span_track()];
  if (times == 0) return;
  accesses_[clock.span_track()] = tally;
  const uint64_t cycles = times * clock.price(CostEvent::kAccess);
  const uint64_t time = clock.now().count() - origin_ - cycles;
  if (!Takes(time)) return;
  records_.push_back({.kind = SpanKind::kCharge,
                      .track = clock.span_track(),
                      .time = time,
                      .value = times,
                      .event = static_cast<uint32_t>(CostEvent::kAccess)});
}

void SpanNote::Open(const CycleClock& clock, SpanKind kind, Actor actor,
                    const char* name, SpanDetail detail) {
  if (detail == SpanDetail::kFine && !log_->options().charges) {
    log_ = nullptr;
  } else if (kind == SpanKind::kBegin) {
    record_ = log_->Begin(clock, actor, name);
  } else {
    record_ = log_->Add(clock, kind, actor, name);
  }
}

void SpanNote::AddArg(const SpanArg& arg) {
  if (record_.has_value()) log_->AddArg(*record_, arg);
}

}  // namespace xmmu
