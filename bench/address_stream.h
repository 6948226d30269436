#ifndef XMMU_BENCH_ADDRESS_STREAM_H_
#define XMMU_BENCH_ADDRESS_STREAM_H_

// Streams of addresses, made before anything is timed.

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "xmmu/base/address.h"

namespace xmmu {

// Where the pages of a stream lie: `pages` pages of 1 << page_shift bytes,
// `stride` bytes apart.
struct Footprint {
  uint64_t pages = 0;
  int page_shift = kPageShift;
  uint64_t stride = kPageSize;

  static constexpr VirtAddr kBase{uint64_t{1} << 39};
  VirtAddr PageAt(uint64_t page) const { return kBase + page * stride; }
};

enum class Pattern {
  kUniform,
  kDrawn,  // uniform; drawn while it is translated: see AddressDrawer
  kChain,  // uniform; each address is known only once the last is translated
  kSequential,
  kStrided,  // from page to page 2 MiB farther on
  kZipf,     // exponent 1, popular pages scattered
};

inline std::string NameOf(Pattern pattern) {
  switch (pattern) {
    case Pattern::kUniform:
      return "uniform";
    case Pattern::kDrawn:
      return "drawn";
    case Pattern::kChain:
      return "chain";
    case Pattern::kSequential:
      return "sequential";
    case Pattern::kStrided:
      return "strided";
    case Pattern::kZipf:
      return "zipf";
  }
  return "";
}

// Chooses pages one after the other.
class PageChooser {
 public:
  PageChooser(Pattern pattern, const Footprint& footprint)
      : pattern_(pattern),
        pages_(footprint.pages),
        step_(footprint.stride >= kStep ? 1 : kStep / footprint.stride) {}

  uint64_t Next() {
    switch (pattern_) {
      case Pattern::kUniform:
      case Pattern::kDrawn:
      case Pattern::kChain:
        return random_() % pages_;
      case Pattern::kSequential:
        return count_++ % pages_;
      case Pattern::kStrided:
        return NextStrided();
      case Pattern::kZipf:
        return NextZipf();
    }
    return 0;
  }

 private:
  static constexpr uint64_t kStep = uint64_t{1} << 21;  // bytes

  // After each way through the footprint it goes on one page beside.
  uint64_t NextStrided() {
    const uint64_t ways = (pages_ + step_ - 1) / step_;
    const uint64_t page = count_ % ways * step_ + count_ / ways % step_;
    ++count_;
    return page % pages_;
  }

  // The rank whose logarithm is uniform has Zipf's distribution. A factor
  // without a common divisor scatters ranks over the pages.
  uint64_t NextZipf() {
    const double uniform = std::uniform_real_distribution<>()(random_);
    const double rank =
        std::exp(uniform * std::log(static_cast<double>(pages_) + 1)) - 1;
    return static_cast<uint64_t>(rank) * 0x9e3779b97f4a7c15u % pages_;
  }

  Pattern pattern_;
  uint64_t pages_;
  uint64_t step_;  // pages
  uint64_t count_ = 0;
  std::mt19937_64 random_{20031019};
};

// Draws uniformly random addresses by Marsaglia's xorshift64 ("Xorshift RNGs",
// JSS 2003), which takes about as long as a program's own work for an address.
class AddressDrawer {
 public:
  explicit AddressDrawer(const Footprint& footprint) : footprint_(footprint) {}

  VirtAddr Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    const uint64_t page = ((state_ >> 32) * footprint_.pages) >> 32;
    return footprint_.PageAt(page) + (state_ & 0xff8);
  }

 private:
  const Footprint footprint_;
  uint64_t state_ = 88172645463325252;
};

// `count` addresses, each of 8 bytes anywhere in its page.
inline std::vector<VirtAddr> MakeStream(Pattern pattern,
                                        const Footprint& footprint,
                                        int64_t count) {
  PageChooser pages(pattern, footprint);
  std::mt19937_64 random(42);
  const uint64_t offsets = (uint64_t{1} << footprint.page_shift) / 8;
  std::vector<VirtAddr> stream(static_cast<size_t>(count));
  for (VirtAddr& va : stream) {
    va = footprint.PageAt(pages.Next()) + random() % offsets * 8;
  }
  return stream;
}

}  // namespace xmmu

#endif  // XMMU_BENCH_ADDRESS_STREAM_H_
