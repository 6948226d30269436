#include "workload/packed/op_encoder.h"

#include <algorithm>
#include <utility>

#include "workload/packed/layout.h"
#include "workload/packed/op_check.h"

namespace xmmu {

void OpEncoder::Add(const GuestOp& op) {
  ++operations_;
  if (!IsAccess(op.kind)) {
    EndRun();
    PutCall(op);
    return;
  }
  const bool fetch = op.kind == GuestOpKind::kFetch;
  const uint64_t va = op.va.value();
  if (collected_.size() == kLongestRun ||
      (!fetched_ && collected_.size() == kLongestRunOfData) ||
      (fetch && fetched_ && va != next_fetch_)) {
    EndRun();
  }
  if (fetch) {
    if (!fetched_) start_ = va;
    fetched_ = true;
    next_fetch_ = va + op.length;
  } else {
    addresses_.push_back(va);
  }
  collected_.push_back({op.kind, static_cast<uint16_t>(op.length)});
}

size_t OpEncoder::column_bytes() const {
  size_t bytes = 0;
  for (const std::string& column : columns_) bytes += column.size();
  return bytes;
}

size_t OpEncoder::bytes() const {
  constexpr size_t kOfAKey = 64;
  return sizeof(*this) + column_bytes() +
         runs_.size() * (sizeof(Run) + kOfAKey) +
         shapes_.size() * 2 * sizeof(Shape) +
         places_.size() * sizeof(DataPlace);
}

const ColumnBytes& OpEncoder::Finish() {
  EndRun();
  return columns_;
}

bool OpEncoder::IsCollected(size_t run) const {
  if (run == kNoRun) return false;
  const Run& known = runs_[run];
  return known.start == start_ && known.count == collected_.size() &&
         std::equal(collected_.begin(), collected_.end(),
                    shapes_.begin() + static_cast<std::ptrdiff_t>(known.first));
}

void OpEncoder::EndRun() {
  if (collected_.empty()) return;
  size_t run = last_run_ == kNoRun ? kNoRun : runs_[last_run_].next;
  if (IsCollected(run)) {
    PutByte(kSteps, kExpectedRun);
  } else {
    run = FindOrAdd();
    if (last_run_ != kNoRun) runs_[last_run_].next = run;
  }
  last_run_ = run;
  PutAddresses(runs_[run]);
  if (fetched_ && next_fetch_ != 0) last_fetch_ = next_fetch_;
  collected_.clear();
  addresses_.clear();
  fetched_ = false;
  start_ = 0;
}

size_t OpEncoder::FindOrAdd() {
  std::string key;
  PutFixed64(&key, start_);
  for (const Shape& shape : collected_) {
    PutFixed32(&key, uint32_t{shape.length} << 8 | PackedNumberOf(shape.kind));
  }
  const auto [found, is_new] = numbers_.emplace(std::move(key), runs_.size());
  PutByte(kSteps, is_new ? kNewRun : kKnownRun);
  if (is_new) {
    AddRun();
  } else {
    PutVarint(&columns_[kKnown], runs_.size() - 1 - found->second);
  }
  return found->second;
}

void OpEncoder::AddRun() {
  runs_.push_back({.start = start_,
                   .first = shapes_.size(),
                   .count = collected_.size(),
                   .first_data = places_.size(),
                   .next = kNoRun});
  shapes_.insert(shapes_.end(), collected_.begin(), collected_.end());
  places_.resize(places_.size() + addresses_.size());
  PutByte(kCounts, collected_.size());
  if (fetched_) PutVarint(&columns_[kStarts], ZigZag(start_ - last_fetch_));
  for (const Shape& shape : collected_) {
    const uint64_t kind = PackedNumberOf(shape.kind);
    const bool fits = shape.length <= kLongestShapeLength;
    PutByte(kShapes,
            kind | uint64_t{fits ? shape.length : 0u} << kShapeKindBits);
    if (!fits) PutVarint(&columns_[kShapes], shape.length);
  }
}

void OpEncoder::PutAddresses(const Run& run) {
  DataPlace* place = places_.data() + run.first_data;
  for (const uint64_t address : addresses_) {
    const uint64_t near = ZigZag(address - last_data_);
    const uint64_t own = ZigZag(address - place->last);
    if (address == last_data_ + place->known[kSameDistance]) {
      PutByte(kWays, kSameDistance);
    } else if (address == place->last + place->known[kSameStride]) {
      PutByte(kWays, kSameStride);
    } else {
      PutByte(kWays, near < own ? kByNear : kByOwn);
      PutVarint(&columns_[near < own ? kNear : kOwn], std::min(near, own));
    }
    place->Note(address, last_data_);
    last_data_ = address;
    ++place;
  }
}

void OpEncoder::PutCall(const GuestOp& op) {
  PutByte(kSteps, kCall);
  std::string* const out = &columns_[kCalls];
  PutByte(kCalls, PackedNumberOf(op.kind));
  PutByte(kCalls, op.flags);
  const uint32_t fields = FieldsOf(op.kind);
  if ((fields & kHasRange) != 0) {
    PutVarint(out, ZigZag(op.va.value() - last_range_));
    last_range_ = op.va.value();
  }
  if ((fields & (kHasRange | kHasLength)) != 0) PutVarint(out, op.length);
  if ((fields & kHasRights) != 0) PutByte(kCalls, op.rights);
  if ((fields & kHasBacking) != 0) {
    PutByte(kCalls, static_cast<uint64_t>(op.backing));
  }
  if ((fields & kHasPageShift) != 0) PutByte(kCalls, op.page_shift);
  if ((fields & kHasAdvice) != 0) {
    PutByte(kCalls, static_cast<uint64_t>(op.advice));
  }
  if ((fields & kHasTarget) != 0) {
    PutVarint(out, op.target.value());
    PutVarint(out, op.new_length);
  }
  if ((fields & kHasChild) != 0) PutVarint(out, op.child);
  if ((fields & kHasFile) != 0) PutVarint(out, op.file);
  if ((fields & kHasOffset) != 0) PutVarint(out, op.file_offset);
}

}  // namespace xmmu
