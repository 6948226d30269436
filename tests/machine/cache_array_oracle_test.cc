// CacheArray beside a model of it that is written from the words of its header:
// plain lines with the time of their last use, looked through from end to end.

#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "xmmu/machine/internal/cache_array.h"

namespace xmmu::cache_array_oracle_test {
namespace {

using Found = CacheArray::Found;

class NaiveCache {
 public:
  NaiveCache(const CacheGeometry& geometry, bool resists_thrashing)
      : line_bytes_(geometry.line_bytes),
        ways_(geometry.ways),
        resists_thrashing_(resists_thrashing),
        lines_(geometry.bytes / geometry.line_bytes) {}

  Found Use(uint64_t line, uint64_t index) {
    Line* const held = Find(line, index);
    if (held == nullptr) return Found::kNo;
    held->last_use = ++now_;
    return std::exchange(held->prefetched, false) ? Found::kPrefetched
                                                  : Found::kYes;
  }
  bool Holds(uint64_t line) { return Find(line, line) != nullptr; }
  uint64_t Fill(uint64_t line, uint64_t index, bool prefetched) {
    Line* const set = SetOf(index);
    Line* victim = set;
    for (Line* way = set; way != set + ways_; ++way) {
      if (way->last_use < victim->last_use) victim = way;
    }
    const Line evicted = *victim;
    ++fills_;
    const bool newest = !resists_thrashing_ || fills_ % 32 == 0;
    *victim = {line, newest ? ++now_ : 1, prefetched};
    return evicted.last_use == 0 ? kNoLine : evicted.line;
  }
  void Drop(uint64_t line) {
    if (Line* const held = Find(line, line)) *held = Line();
  }
  void Clear() { lines_.assign(lines_.size(), Line()); }

 private:
  struct Line {
    uint64_t line = kNoLine;
    uint64_t last_use = 0;  // 0: free; 1: the next to go
    bool prefetched = false;
  };

  Line* SetOf(uint64_t index) {
    const uint64_t sets = lines_.size() / ways_;
    return &lines_[index * 64 / line_bytes_ % sets * ways_];
  }
  Line* Find(uint64_t line, uint64_t index) {
    Line* const set = SetOf(index);
    for (Line* way = set; way != set + ways_; ++way) {
      if (way->line == line) return way;
    }
    return nullptr;
  }

  uint32_t line_bytes_;
  size_t ways_;
  bool resists_thrashing_;
  std::vector<Line> lines_;
  uint64_t now_ = 1;
  uint64_t fills_ = 0;
};

// Does the same random things to both, and compares all answers.
class CacheOracle {
 public:
  CacheOracle(const CacheGeometry& geometry, bool resists_thrashing,
              std::vector<uint64_t> lines, uint32_t seed)
      : cache_(geometry, resists_thrashing),
        naive_(geometry, resists_thrashing),
        lines_(std::move(lines)),
        random_(seed) {}

  void Step() {
    const uint64_t line = lines_[Below(lines_.size())];
    // Where linear addresses choose the set, a line may be in several.
    const uint64_t index = Below(4) == 0 ? line + Below(3) : line;
    const uint64_t dice = Below(10000);
    if (dice < 6000) return Touch(line);
    if (dice < 8000) return UseThenFill(line, index);
    if (dice < 9000) {
      ASSERT_EQ(cache_.Holds(line), naive_.Holds(line)) << line;
    } else if (dice < 9998) {
      cache_.Drop(line);
      naive_.Drop(line);
    } else {
      cache_.Clear();
      naive_.Clear();
    }
  }

 private:
  uint64_t Below(uint64_t end) { return random_() % end; }

  void Touch(uint64_t line) {
    const bool found = cache_.Touch(MachineAddr(line << kLineShift));
    ASSERT_EQ(found, naive_.Use(line, line) != Found::kNo) << line;
    if (!found) naive_.Fill(line, line, false);
  }

  void UseThenFill(uint64_t line, uint64_t index) {
    const Found found = cache_.Use(line, index);
    ASSERT_EQ(found, naive_.Use(line, index)) << line;
    if (found != Found::kNo) return;
    const bool prefetched = Below(2) == 0;
    ASSERT_EQ(cache_.Fill(line, index, prefetched),
              naive_.Fill(line, index, prefetched))
        << line;
  }

  CacheArray cache_;
  NaiveCache naive_;
  std::vector<uint64_t> lines_;
  std::mt19937 random_;
};

// Returns lines, half as many again as `geometry` holds, from `first` on.
std::vector<uint64_t> LinesFrom(uint64_t first, const CacheGeometry& geometry) {
  std::vector<uint64_t> lines;
  const uint64_t count = geometry.bytes / 64 * 3 / 2 + 1;
  for (uint64_t i = 0; i < count; ++i) lines.push_back(first + i);
  return lines;
}

void ExpectAgreement(const CacheGeometry& geometry, bool resists,
                     const std::vector<uint64_t>& lines, uint32_t seed) {
  SCOPED_TRACE(testing::Message()
               << geometry.bytes << " bytes, " << geometry.ways << " ways of "
               << geometry.line_bytes << ", resists " << resists
               << ", first line " << lines[0] << ", seed " << seed);
  CacheOracle oracle(geometry, resists, lines, seed);
  for (int i = 0; i < 4000; ++i) {
    oracle.Step();
    if (testing::Test::HasFailure()) FAIL() << "step " << i;
  }
}

CacheGeometry Shape(uint64_t sets, uint32_t ways, uint32_t line_bytes = 64) {
  return {.bytes = sets * ways * line_bytes,
          .ways = ways,
          .line_bytes = line_bytes};
}

TEST(CacheArrayOracleTest, RandomUseIsAnsweredAsByThePlainModel) {
  uint32_t seed = 1;
  // Ways on both sides of what the host compares at once, and of where ages
  // take two bytes; sets that are a power of two and that are not.
  for (const uint32_t ways :
       {1u, 2u, 3u, 4u, 5u, 8u, 11u, 12u, 16u, 17u, 20u, 120u, 121u, 300u}) {
    for (const uint64_t sets : {1u, 2u, 3u, 8u, 5u}) {
      for (const bool resists : {false, true}) {
        const CacheGeometry geometry = Shape(sets, ways);
        ExpectAgreement(geometry, resists, LinesFrom(seed, geometry), seed);
        if (HasFailure()) return;
        ++seed;
      }
    }
  }
}

TEST(CacheArrayOracleTest, LongerLinesChooseTheSetByTheirOwnNumber) {
  const CacheGeometry geometry = Shape(6, 4, 128);
  ExpectAgreement(geometry, false, LinesFrom(0, geometry), 1);
}

// The low 31 bits of lines are kept apart from the others: lines around 2^31,
// around the last of all, and those that differ in high bits alone.
TEST(CacheArrayOracleTest, LinesOfAnyNumberAreToldApart) {
  constexpr uint64_t kHigh = uint64_t{1} << 31;
  constexpr uint64_t kEnd = uint64_t{1} << 46;
  uint32_t seed = 1;
  for (const uint32_t ways : {4u, 11u, 130u}) {
    for (const uint64_t sets : {4u, 5u}) {
      const CacheGeometry geometry = Shape(sets, ways);
      const uint64_t count = sets * ways * 3 / 2;
      std::vector<uint64_t> alike;
      for (uint64_t i = 0; i < count; ++i) {
        alike.push_back(i % sets + (i / sets * sets << 31));
        alike.push_back((i * kHigh) | 0x7fffffff);
      }
      const std::vector<uint64_t> sets_of_lines[] = {
          LinesFrom(kHigh - count / 2, geometry),
          LinesFrom(kEnd - count - 2, geometry), alike};
      for (const std::vector<uint64_t>& lines : sets_of_lines) {
        ExpectAgreement(geometry, seed % 2 == 0, lines, seed);
        if (HasFailure()) return;
        ++seed;
      }
    }
  }
}

// The set of a line is the remainder of a division, which is done by a
// multiplication. A line is found in the set that division chooses, and in no
// other, for the sets of all machines and more, and the lines at which a
// product that is too small or too large would show first.
TEST(CacheArrayOracleTest, TheSetIsTheRemainderOfTheLine) {
  std::mt19937_64 random(1);
  for (const uint64_t sets :
       {uint64_t{3}, uint64_t{5}, uint64_t{20480}, uint64_t{12288},
        uint64_t{40960}, uint64_t{65535}, uint64_t{196611}, uint64_t{263835}}) {
    CacheArray cache(Shape(sets, 1));
    constexpr uint64_t kLines = uint64_t{1} << 46;
    for (int i = 0; i < 2000; ++i) {
      const uint64_t quotient = i % 2 == 0 ? random() % (kLines / sets)
                                           : kLines / sets - 1 - random() % 64;
      for (const uint64_t line : {quotient * sets, quotient * sets + sets - 1,
                                  quotient * sets + random() % sets}) {
        cache.Fill(line, line);
        EXPECT_NE(cache.Use(line, line % sets), Found::kNo) << line;
        EXPECT_EQ(cache.Use(line, (line + 1) % sets), Found::kNo) << line;
        cache.Drop(line);
      }
    }
  }
}

// A linear address has more bits than a machine address.
TEST(CacheArrayOracleTest, LinearAddressesChooseTheSetByDivision) {
  for (const uint64_t sets : {3u, 24u, 196611u}) {
    CacheArray cache(Shape(sets, 1));
    for (uint64_t i = 0; i < 100; ++i) {
      const uint64_t index = (~uint64_t{0} / 64 / sets - i) * sets - 1;
      cache.Fill(7, index);
      EXPECT_EQ(cache.Use(7, index % sets), Found::kYes);
      cache.Clear();
    }
  }
}

}  // namespace
}  // namespace xmmu::cache_array_oracle_test
