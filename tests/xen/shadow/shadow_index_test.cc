#include "xen/shadow/shadow_index.h"

#include <random>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace xmmu::shadow_index_test {
namespace {

using Place = std::pair<ShadowId, int>;

std::vector<Place> PlacesOf(const ShadowIndex& index, Mfn mfn) {
  std::vector<Place> places;
  for (const ShadowSlot& slot : index.EntriesTo(mfn)) {
    places.emplace_back(slot.page, slot.index);
  }
  return places;
}

// The shadows lie on both sides of those whose references are kept short.
TEST(ShadowIndexTest, NamesTheEntriesOfEachFrameInOrder) {
  constexpr ShadowId kShadows[] = {0, 3, (1u << 21) - 1, 1u << 21, 1u << 30};
  constexpr uint64_t kFrames = 4;
  ShadowIndex index(1, 1);
  std::vector<std::set<Place>> plain(kFrames);
  std::set<Place> used;
  std::mt19937 dice(16);
  for (int step = 0; step < 5000; ++step) {
    const uint64_t frame = dice() % kFrames;
    if (dice() % 2 == 0 && !plain[frame].empty()) {
      auto it = plain[frame].begin();
      std::advance(it, dice() % plain[frame].size());
      index.Remove({it->first, it->second}, Mfn(frame));
      used.erase(*it);
      plain[frame].erase(it);
    } else {
      const Place place(kShadows[dice() % 5],
                        dice() % 2 == 0 ? 1023 : static_cast<int>(dice() % 8));
      if (!used.insert(place).second) continue;
      index.Add({place.first, place.second}, Mfn(frame));
      plain[frame].insert(place);
    }
    for (uint64_t i = 0; i < kFrames; ++i) {
      ASSERT_EQ(PlacesOf(index, Mfn(i)),
                std::vector<Place>(plain[i].begin(), plain[i].end()))
          << "step " << step;
    }
    ASSERT_EQ(index.size(), used.size());
  }
}

// A program's page has two entries, one that a fork shares three.
TEST(ShadowIndexTest, ThreeEntriesOfAFrameTakeTwelveBytes) {
  ShadowIndex index(1, 1);
  const auto fill = [&](uint64_t first) {
    for (uint64_t i = 0; i < 4096 * 3; ++i) {
      index.Add({static_cast<ShadowId>((first * 3 + i) / 512),
                 static_cast<int>(i % 512)},
                Mfn(first + i / 3));
    }
  };
  fill(0);
  const uint64_t bytes = index.host_bytes();
  fill(4096);
  EXPECT_EQ(index.host_bytes() - bytes, 4096u * 12);
}

}  // namespace
}  // namespace xmmu::shadow_index_test
