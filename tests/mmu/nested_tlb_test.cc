// The nested TLB beside a model of it that is written from the words of its
// header: pages with the time of their last use, looked through from end to
// end.

#include "xmmu/mmu/internal/nested_tlb.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace xmmu::nested_tlb_test {
namespace {

class NaiveTlb {
 public:
  explicit NaiveTlb(size_t pages) : slots_(pages) {}

  size_t Find(GuestAddr gpa, VmTag tag) const {
    for (size_t i = 0; i < slots_.size(); ++i) {
      const Slot& slot = slots_[i];
      const bool held = slot.last_use != 0 && slot.page.tag == tag;
      if (held && slot.page.Contains(gpa)) return i;
    }
    return NestedTlb::kNone;
  }
  void Use(size_t entry) { slots_[entry].last_use = ++now_; }
  void Drop(size_t entry) { slots_[entry] = Slot(); }
  void Fill(const NestedPage& page) {
    if (slots_.empty()) return;
    Slot* victim = &slots_[0];
    for (Slot& slot : slots_) {
      if (slot.last_use < victim->last_use) victim = &slot;
    }
    *victim = {page, ++now_};
  }
  template <typename Predicate>
  void DropIf(Predicate predicate) {
    for (Slot& slot : slots_) {
      if (slot.last_use != 0 && predicate(slot.page)) slot = Slot();
    }
  }
  std::vector<NestedPage> Entries() const {
    std::vector<NestedPage> held;
    for (const Slot& slot : slots_) {
      if (slot.last_use != 0) held.push_back(slot.page);
    }
    return held;
  }

 private:
  struct Slot {
    NestedPage page;
    uint64_t last_use = 0;  // 0: free
  };
  std::vector<Slot> slots_;
  uint64_t now_ = 0;
};

class TlbOracle {
 public:
  TlbOracle(size_t pages, uint32_t seed)
      : tlb_(pages), naive_(pages), random_(seed) {}

  void Step() {
    const uint64_t dice = Below(1000);
    const VmTag tag = Tag();
    const GuestAddr gpa = Gpa();
    if (dice < 900) return Access(gpa, tag);
    if (dice < 996) {
      const size_t entry = tlb_.Find(gpa, tag);
      ASSERT_EQ(entry, naive_.Find(gpa, tag));
      if (entry == NestedTlb::kNone) return;
      tlb_.Drop(entry);
      naive_.Drop(entry);
    } else {
      const auto of_root = [&](const NestedPage& page) {
        return page.tag.root == tag.root;
      };
      tlb_.DropIf(of_root);
      naive_.DropIf(of_root);
    }
  }

  void ExpectEqual() { ASSERT_EQ(tlb_.Entries(), naive_.Entries()); }

 private:
  uint64_t Below(uint64_t end) { return random_() % end; }
  VmTag Tag() {
    return {static_cast<uint16_t>(Below(2)), static_cast<uint8_t>(Below(3))};
  }
  // Pages near each other, in a few large pages, and such as differ in bits
  // that tags lack.
  GuestAddr Gpa() {
    return GuestAddr(Below(6) << 12 | Below(3) << 21 | Below(2) << 30 |
                     Below(2) << 45 | Below(4096));
  }

  // A hit is used; after a miss a page of any size is filled, so that pages of
  // several sizes come to hold an address.
  void Access(GuestAddr gpa, VmTag tag) {
    const size_t entry = tlb_.Find(gpa, tag);
    ASSERT_EQ(entry, naive_.Find(gpa, tag));
    if (entry != NestedTlb::kNone) {
      tlb_.Use(entry);
      naive_.Use(entry);
      return;
    }
    const int shift = kPageShift + 9 * (Below(4) == 0 ? 1 + int(Below(2)) : 0);
    const NestedPage page = {GuestAddr(gpa.value() >> shift << shift),
                             MachineAddr(Below(1000) << 30),
                             static_cast<uint8_t>(shift),
                             static_cast<uint8_t>(Below(32)), tag};
    tlb_.Fill(page);
    naive_.Fill(page);
  }

  NestedTlb tlb_;
  NaiveTlb naive_;
  std::mt19937 random_;
};

TEST(NestedTlbTest, RandomUseLeavesWhatThePlainModelHolds) {
  uint32_t seed = 1;
  for (const size_t pages : {0u, 1u, 4u, 16u, 17u, 40u, 130u}) {
    SCOPED_TRACE(testing::Message() << pages << " pages, seed " << seed);
    TlbOracle oracle(pages, seed++);
    for (int i = 0; i < 10000; ++i) {
      oracle.Step();
      if (i % 8 == 0) oracle.ExpectEqual();
      if (testing::Test::HasFailure()) FAIL() << "step " << i;
    }
  }
}

}  // namespace
}  // namespace xmmu::nested_tlb_test
