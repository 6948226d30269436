#include "xmmu/machine/internal/prefetcher.h"

#include <algorithm>

#include "xmmu/base/address.h"

namespace xmmu {
namespace {

constexpr uint64_t kLinesPerPage = kPageSize / 64;

}  // namespace

// Returns the stream of `page`, or the least recently used one for a new page.
Prefetcher::Stream& Prefetcher::StreamOf(uint64_t page, bool* found) {
  Stream* oldest = &streams_[0];
  for (Stream& stream : streams_) {
    if (stream.page == page) {
      *found = true;
      return stream;
    }
    if (stream.last_use < oldest->last_use) oldest = &stream;
  }
  *found = false;
  return *oldest;
}

Prefetcher::Request Prefetcher::Observe(uint64_t line) {
  const uint64_t page = line / kLinesPerPage;
  bool found = false;
  Stream& stream = StreamOf(page, &found);
  stream.last_use = ++use_;
  if (!found) {
    stream.page = page;
    stream.last = stream.pointer = line;
    stream.follows = false;
    return {};
  }
  const uint64_t last = stream.last;
  stream.last = line;
  // A second load of the line says nothing about the direction.
  if (line == last) return {};
  stream.follows = line > last && line - last <= model_.max_stride;
  // A stream follows ascending loads; a step back or a long one ends its run,
  // and the next ascending load starts another.
  if (!stream.follows) {
    stream.pointer = line;
    return {};
  }
  const uint64_t from = std::max(stream.pointer, line);
  // The prefetcher stops at the end of the page: the next page may be anywhere
  // in memory.
  const uint64_t page_end = (page + 1) * kLinesPerPage - 1;
  const uint64_t to = std::min(
      {from + model_.lines_per_load, line + model_.lines_ahead, page_end});
  stream.pointer = std::max(from, to);
  if (to <= from) return {};
  return {from + 1, to - from};
}

uint64_t Prefetcher::ArrivalOf(uint64_t line) const {
  for (const Flight& flight : in_flight_) {
    if (flight.line == line) return flight.when;
  }
  return 0;
}

}  // namespace xmmu
