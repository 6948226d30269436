// Two processes on two vCPUs, of which one writes in place what the other maps
// privately: in whichever order they come, the digest and what it leaves out
// are the same.

#include <vector>

#include "guest/world.h"

namespace xmmu::object_races_test {
namespace {

struct Seen {
  uint64_t digest = 0;
  uint64_t accesses = 0;
  uint64_t pages = 0;
  bool operator==(const Seen&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  return out << std::hex << seen.digest << std::dec << ", not compared "
             << seen.accesses << " accesses to " << seen.pages << " pages";
}

class ObjectRacesTest : public ::testing::TestWithParam<Setting> {
 protected:
  using Ops = std::vector<GuestOp>;

  static GuestOp MapOf(Backing backing, uint8_t flags, uint64_t pages = 4) {
    GuestOp op = MapOp(pages, backing);
    op.flags = flags;
    return op;
  }

  static Seen Run(const Ops& reader, const Ops& writer, bool reader_first) {
    World world(GetParam());
    EXPECT_EQ(world.kernel().options().fault_around_pages, 16);
    const auto perform = [&](TaskId task) {
      for (const GuestOp& op : task == 1 ? reader : writer) world.Do(task, op);
    };
    for (const TaskId task : {1u, 2u}) {
      EXPECT_TRUE(world.kernel().CreateProcess(task).ok());
    }
    perform(reader_first ? 1 : 2);
    perform(reader_first ? 2 : 1);
    // What the reader has mapped is given up after both. A refused access is
    // hashed one way if something is left out, and another way if nothing is.
    for (const TaskId task : {1u, 2u}) {
      world.Do(task, LoadOp(1000));
      world.Do(task, TaskOp(GuestOpKind::kExit));
    }
    const NotCompared left_out = world.kernel().not_compared();
    return {world.kernel().digest(), left_out.accesses, left_out.pages};
  }

  // Stores to all pages but the first one.
  static Ops WriterOf(uint8_t flags) {
    return {MapOf(Backing::kFileShared, flags), StoreOp(1), StoreOp(2),
            StoreOp(3)};
  }

  // What is the same in both orders.
  static Seen RunBoth(const Ops& reader, const Ops& writer) {
    const Seen first = Run(reader, writer, /*reader_first=*/true);
    EXPECT_EQ(Run(reader, writer, /*reader_first=*/false), first);
    return first;
  }
};

INSTANTIATE_TEST_SUITE_P(
    TwoVcpus, ObjectRacesTest,
    ::testing::Values(
        Setting{.policy = "native", .vcpus = 2},
        Setting{.policy = "pinning", .ops = GuestOps::kMulticall, .vcpus = 2},
        Setting{.policy = "shadow-2008", .vcpus = 2}),
    [](const auto& setting) { return NameOf(setting.param); });

// do_fault_around: pages that another process has made by then.
TEST_P(ObjectRacesTest, PagesMappedAroundAFaultAreNotSeen) {
  const Ops reader = {MapOf(Backing::kFilePrivate, kMapZeroFilled), LoadOp(0)};
  const Seen seen = RunBoth(reader, WriterOf(kMapZeroFilled));
  EXPECT_EQ(seen.accesses, 0u);
  EXPECT_EQ(seen.pages, 0u);
}

// populate_vma_page_range breaks copy-on-write: the copies have what was there.
TEST_P(ObjectRacesTest, CopiesThatALockMadeAreNotSeen) {
  GuestOp lock = RangeOp(GuestOpKind::kAdvise, 4);
  lock.advice = Advice::kLock;
  const Ops reader = {MapOf(Backing::kFilePrivate, kMapZeroFilled), lock};
  const Seen seen = RunBoth(reader, WriterOf(kMapZeroFilled));
  EXPECT_EQ(seen.accesses, 0u);
  EXPECT_EQ(seen.pages, 0u);
}

// A store copies all of a huge page (hugetlb_wp).
TEST_P(ObjectRacesTest, TheRestOfAHugePageThatAStoreCopiesIsNotSeen) {
  GuestOp map = MapOf(Backing::kFilePrivate, kMapZeroFilled, 512);
  map.page_shift = 21;
  const Ops reader = {map, StoreOp(0), LoadOp(0)};
  map.backing = Backing::kFileShared;
  const Ops writer = {map, StoreOp(1)};
  const Seen seen = RunBoth(reader, writer);
  EXPECT_EQ(seen.accesses, 0u);
  EXPECT_EQ(seen.pages, 0u);
}

TEST_P(ObjectRacesTest, PagesLoadedFromAreLeftOutAndOthersOfTheFileAreNot) {
  for (const uint8_t flags : {uint8_t{0}, uint8_t{kMapZeroFilled}}) {
    const Ops reader = {MapOf(Backing::kFilePrivate, flags), LoadOp(0),
                        LoadOp(1), LoadOp(1)};
    const Seen seen = RunBoth(reader, WriterOf(flags));
    EXPECT_EQ(seen.accesses, 2u);
    EXPECT_EQ(seen.pages, 1u);
  }
}

TEST_P(ObjectRacesTest, APageThatOnlyItsOwnProcessStoresToCounts) {
  const Ops stores_once = {MapOf(Backing::kFilePrivate, kMapZeroFilled),
                           StoreOp(0), LoadOp(0)};
  const Ops stores_twice = {MapOf(Backing::kFilePrivate, kMapZeroFilled),
                            StoreOp(0), StoreOp(0), LoadOp(0)};
  const Ops writer = WriterOf(kMapZeroFilled);
  EXPECT_NE(RunBoth(stores_once, writer).digest,
            RunBoth(stores_twice, writer).digest);
}

}  // namespace
}  // namespace xmmu::object_races_test
