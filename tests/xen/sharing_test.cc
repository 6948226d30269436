// HYPERVISOR_make_ro_and_share: what becomes shared, what is refused, and that
// nobody can write to a shared frame or get one that he does not hold.

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "xen/pv_fixture.h"
#include "xmmu/xen/host.h"

namespace xmmu {
namespace {

// One L1 that maps the frames of these pfns, writable, from its slot 0 on.
constexpr VirtAddr kRegion{0x40000000};
constexpr uint64_t kFirstData = 100;
constexpr int kDataPages = 8;
constexpr uint64_t kL1Pfn = 1;
constexpr uint64_t kSpareL1Pfn = 2;

class Guest {
 public:
  Guest(Host& host, Mm& mm, PagingMode mode, int vcpus = 1)
      : host_(host), mm_(mm), mode_(mode) {
    domain_ =
        host.CreateDomain({.mode = mode, .memory_frames = 1024, .vcpus = vcpus})
            .value();
    first_data_ = Frame(kFirstData);
    const Mfn root = Frame(1000);
    if (mode == PagingMode::kPae) Put(root, 3, Pte(Frame(1001), 1));
    Mfn table = root;
    for (int level = LevelCount(mode); level > 1; --level) {
      const bool pae_root = mode == PagingMode::kPae && level == 3;
      const Mfn next =
          Frame(level == 2 ? kL1Pfn : 900 + static_cast<uint64_t>(level));
      Put(table, IndexOf(mode, level, kRegion), Pte(next, pae_root ? 1 : 7));
      table = next;
    }
    for (int i = 0; i < kDataPages; ++i) Put(table, i, Pte(Data(i), kRw));
    for (uint32_t i = 0; i < domain_->vcpu_count(); ++i) {
      Run(i);
      EXPECT_EQ(mm.StartVcpu(domain_->vcpu(i), root, kInvalidMfn),
                absl::OkStatus());
    }
    Run();
  }

  Domain& domain() { return *domain_; }
  DomainId id() const { return domain_->id(); }
  VcpuContext& vcpu(uint32_t i = 0) { return domain_->vcpu(i); }
  Mfn Frame(uint64_t pfn) const { return domain_->p2m().MfnOf(Pfn(pfn)); }
  // Of page `i` at the start.
  Mfn Data(int i) const { return first_data_ + static_cast<uint64_t>(i); }
  Mfn l1() const { return Frame(kL1Pfn); }
  static VirtAddr Va(int i) {
    return kRegion + static_cast<uint64_t>(i) * kPageSize;
  }
  MachineAddr EntryOf(Mfn table, int slot) const {
    return EntryAddress(mode_, AddressOf(table), slot);
  }
  Pte Get(int slot) const {
    return Pte(
        host_.memory().ReadEntry(EntryOf(l1(), slot), EntryBytes(mode_)));
  }
  void Put(Mfn table, int slot, Pte value) {
    host_.memory().WriteEntry(EntryOf(table, slot), EntryBytes(mode_),
                              value.raw());
  }
  void Fill(int page, uint64_t word, uint64_t token = 0) {
    host_.memory().Write64(AddressOf(Data(page)) + 8, word);
    host_.memory().SetContentToken(Data(page), token);
  }

  // Puts a vCPU on its CPU.
  void Run(uint32_t i = 0) {
    if (vcpu(i).cr3 != 0) host_.SwitchVcpu(*vcpu(i).cpu, vcpu(i));
    if (vcpu(i).cr3 == 0) vcpu(i).cpu->current = &vcpu(i);
  }
  HypercallResult Execute(const Hypercall& call) {
    Run();
    HypercallResult result = mm_.Execute(vcpu(), call);
    for (size_t i = 0; i < host_.domain_count(); ++i) {
      EXPECT_EQ(AuditDomain(host_, host_.domain(i)), absl::OkStatus());
    }
    EXPECT_EQ(AuditSharing(host_), absl::OkStatus());
    return result;
  }
  HypercallResult Share(const std::vector<VirtAddr>& mappings) {
    return Execute(MakeRoAndShareCall{.mappings = mappings});
  }
  XenErrno ShareErrno(const std::vector<VirtAddr>& mappings) {
    return ErrnoOf(Share(mappings).status);
  }
  XenErrno Update(int slot, Pte value, Mfn table = kInvalidMfn) {
    const std::array request = {MmuUpdate{
        EntryOf(table == kInvalidMfn ? l1() : table, slot), value.raw()}};
    return ErrnoOf(Execute(MmuUpdateCall{.requests = request}).status);
  }
  XenErrno Op(const MmuextOp& op) {
    const std::array ops = {op};
    return ErrnoOf(Execute(MmuextCall{.ops = ops}).status);
  }
  bool Access(VirtAddr va, AccessKind kind, uint32_t i = 0) {
    Run(i);
    const bool user = mode_ == PagingMode::k4Level;
    return vcpu(i).cpu->mmu.Translate({va, kind, user}).ok();
  }

 private:
  Host& host_;
  Mm& mm_;
  PagingMode mode_;
  Domain* domain_;
  Mfn first_data_;
};

struct Mode {
  const char* name;
  const char* machine;
  PagingMode mode;
};
constexpr std::array kModes = {
    Mode{"FourLevel", "skylake-2017", PagingMode::k4Level},
    Mode{"Compat", "skylake-2017", PagingMode::kPae},
    Mode{"Pae", "xeon-2003", PagingMode::kPae},
    Mode{"TwoLevel", "xeon-2003", PagingMode::k2Level}};

class SharingTest : public testing::TestWithParam<Mode> {
 protected:
  // Xen 3.0 knows only one errno.
  static XenErrno Busy() {
    return GetParam().mode == PagingMode::k2Level ? XenErrno::kEINVAL
                                                  : XenErrno::kEBUSY;
  }
  PageInfo& Page(Mfn mfn) { return host_.frames()[mfn]; }
  uint64_t Counted(Counter counter) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < host_.cpu_count(); ++i) {
      sum += host_.cpu(i).counters[counter];
    }
    return sum;
  }

  Host host_{*FindMachine(GetParam().machine),
             {.cpus = 2, .timing = MemoryTiming::kFlat}};
  Mm mm_{host_};
  Guest a_{host_, mm_, GetParam().mode, 2};
  Guest b_{host_, mm_, GetParam().mode};
};

INSTANTIATE_TEST_SUITE_P(Modes, SharingTest, testing::ValuesIn(kModes),
                         [](const testing::TestParamInfo<Mode>& row) {
                           return std::string(row.param.name);
                         });

TEST_P(SharingTest, TheFirstPageOfAContentBecomesTheSharedFrame) {
  const Mfn mfn = a_.Data(0);
  const Pte before = a_.Get(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  const PageInfo& page = Page(mfn);
  EXPECT_EQ(page.owner, kDomCow);
  EXPECT_EQ(page.type, PageType::kShared);
  EXPECT_EQ(page.type_count, 1u);
  EXPECT_EQ(page.ref_count, 1u);
  EXPECT_FALSE(page.allocated);
  EXPECT_EQ(a_.domain().p2m().PfnOf(mfn), kInvalidPfn);
  EXPECT_EQ(a_.domain().p2m().MfnOf(Pfn(kFirstData)), kInvalidMfn);
  EXPECT_EQ(a_.Get(0), before.Without(pte::kWritable).With(kSharedMark));
  EXPECT_EQ(host_.sharing().Mappings(mfn, a_.id()), 1u);
  EXPECT_EQ(host_.free_frames(), 0u);
  EXPECT_EQ(Counted(Counter::kPagesShared), 1u);
}

TEST_P(SharingTest, TheSameContentElsewhereIsFreedAndItsMappingLedThere) {
  a_.Fill(0, 5, 6);
  b_.Fill(3, 5, 6);
  const Mfn kept = a_.Data(0);
  const Mfn freed = b_.Data(3);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(b_.ShareErrno({b_.Va(3)}), XenErrno::kOk);
  EXPECT_EQ(b_.Get(3).frame(), kept);
  EXPECT_FALSE(b_.Get(3).writable());
  EXPECT_EQ(b_.Get(3).raw() & kSharedMark, kSharedMark);
  EXPECT_EQ(Page(kept).ref_count, 2u);
  EXPECT_EQ(Page(freed).owner, kDomInvalid);
  EXPECT_EQ(b_.domain().p2m().PfnOf(freed), kInvalidPfn);
  EXPECT_EQ(host_.free_frames(), 1u);
  EXPECT_EQ(Counted(Counter::kPagesMerged), 1u);
  EXPECT_TRUE(b_.Access(b_.Va(3), AccessKind::kRead));
  EXPECT_FALSE(b_.Access(b_.Va(3), AccessKind::kWrite));
}

TEST_P(SharingTest, PagesThatDifferInOneWordOrTheTokenStayApart) {
  a_.Fill(0, 5, 6);
  b_.Fill(0, 5, 7);
  b_.Fill(1, 4, 6);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(b_.ShareErrno({b_.Va(0), b_.Va(1)}), XenErrno::kOk);
  EXPECT_EQ(host_.sharing().frames().size(), 3u);
  EXPECT_EQ(host_.free_frames(), 0u);
}

TEST_P(SharingTest, AnEqualHashIsNotEnough) {
  // Two last words that make up for two different ones before them.
  uint64_t s[2] = {0, 0};
  for (int i = 0; i < 510; ++i) s[0] = s[1] = MixHash(s[0], 0);
  s[0] = MixHash(s[0], 1);
  s[1] = MixHash(s[1], 2);
  const uint64_t last = (s[0] - s[1]) * 0xd1342543de82ef95u;
  PhysMemory& memory = host_.memory();
  memory.Write64(AddressOf(a_.Data(0)) + 510 * 8, 1);
  memory.Write64(AddressOf(b_.Data(0)) + 510 * 8, 2);
  memory.Write64(AddressOf(b_.Data(0)) + 511 * 8, last);
  ASSERT_EQ(HashContent(memory, a_.Data(0)), HashContent(memory, b_.Data(0)));
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  const Mfn own = b_.Data(0);
  ASSERT_EQ(b_.ShareErrno({b_.Va(0)}), XenErrno::kOk);
  EXPECT_EQ(b_.Get(0).frame(), own);
  EXPECT_EQ(host_.sharing().frames().size(), 2u);
  EXPECT_EQ(host_.cpu(0).clock.tally(CostEvent::kComparePage), 1u);
  // Each is taken out by itself.
  EXPECT_EQ(a_.Update(0, Pte()), XenErrno::kOk);
  EXPECT_TRUE(host_.sharing().Contains(own));
}

TEST_P(SharingTest, APageInOtherUseIsRefusedAndStaysAsItIs) {
  // One more mapping, read-only and writable.
  for (const uint64_t flags : {kRo, kRw}) {
    ASSERT_EQ(a_.Update(20, Pte(a_.Data(0), flags)), XenErrno::kOk);
    const Pte before = a_.Get(0);
    EXPECT_EQ(a_.ShareErrno({a_.Va(0)}), Busy());
    EXPECT_EQ(a_.Get(0), before);
  }
  ASSERT_EQ(a_.Update(20, Pte()), XenErrno::kOk);
  // A table; a descriptor page; a page on its way out.
  ASSERT_EQ(a_.Update(21, Pte(a_.l1(), kRo)), XenErrno::kOk);
  EXPECT_EQ(a_.ShareErrno({a_.Va(21)}), Busy());
  ASSERT_EQ(a_.Update(1, Pte(a_.Data(1), kRo)), XenErrno::kOk);
  const std::array gdt = {a_.Data(1)};
  ASSERT_TRUE(a_.Execute(SetGdtCall{.frames = gdt}).status.ok());
  EXPECT_EQ(a_.ShareErrno({a_.Va(1)}), Busy());
  const std::array gone = {a_.Data(2)};
  ASSERT_EQ(a_.Execute(DecreaseReservationCall{.frames = gone}).done, 1u);
  EXPECT_EQ(a_.ShareErrno({a_.Va(2)}), Busy());
  EXPECT_TRUE(host_.sharing().frames().empty());
}

TEST_P(SharingTest, WhatMapsNothingIsRefused) {
  EXPECT_EQ(a_.ShareErrno({a_.Va(30)}), XenErrno::kEINVAL);
  EXPECT_EQ(a_.ShareErrno({VirtAddr(0x12345000)}), XenErrno::kEINVAL);
  EXPECT_EQ(a_.ShareErrno({}), XenErrno::kOk);
}

TEST_P(SharingTest, AllMappingsNamedInARowAreSharedTogether) {
  ASSERT_EQ(a_.Update(20, Pte(a_.Data(0), kRw)), XenErrno::kOk);
  ASSERT_EQ(a_.Update(21, Pte(a_.Data(0), kRo)), XenErrno::kOk);
  EXPECT_EQ(a_.ShareErrno({a_.Va(0), a_.Va(20)}), Busy());
  const HypercallResult result =
      a_.Share({a_.Va(0), a_.Va(20), a_.Va(21), a_.Va(1)});
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.done, 4u);
  for (const int slot : {0, 20, 21, 1}) {
    EXPECT_FALSE(a_.Get(slot).writable()) << slot;
    EXPECT_EQ(a_.Get(slot).raw() & kSharedMark, kSharedMark) << slot;
  }
  // Both pages are empty: one frame serves them.
  EXPECT_EQ(Page(a_.Get(0).frame()).ref_count, 4u);
  EXPECT_EQ(host_.free_frames(), 1u);
}

// With the count made up by naming one twice, the other would stay writable.
TEST_P(SharingTest, AMappingNamedTwiceHidesNoOther) {
  ASSERT_EQ(a_.Update(20, Pte(a_.Data(0), kRw)), XenErrno::kOk);
  EXPECT_EQ(a_.ShareErrno({a_.Va(0), a_.Va(0)}), XenErrno::kEINVAL);
  EXPECT_EQ(a_.ShareErrno({a_.Va(0), a_.Va(20), a_.Va(0)}), XenErrno::kEINVAL);
  EXPECT_TRUE(a_.Get(20).writable());
  EXPECT_TRUE(host_.sharing().frames().empty());
}

TEST_P(SharingTest, ABatchStopsAtTheFirstRefusalAndFinishesWhatCameBefore) {
  for (int i = 0; i < 3; ++i) a_.Fill(i, static_cast<uint64_t>(i) + 1);
  ASSERT_EQ(a_.Update(20, Pte(a_.Data(1), kRo)), XenErrno::kOk);
  const HypercallResult result = a_.Share({a_.Va(0), a_.Va(1), a_.Va(2)});
  EXPECT_EQ(ErrnoOf(result.status), Busy());
  EXPECT_EQ(result.done, 1u);
  EXPECT_TRUE(host_.sharing().Contains(a_.Get(0).frame()));
  EXPECT_TRUE(a_.Get(1).writable());
  EXPECT_TRUE(a_.Get(2).writable());
}

TEST_P(SharingTest, APageSharedAlreadyOrNamedAgainLaterStays) {
  const HypercallResult result = a_.Share({a_.Va(0), a_.Va(1), a_.Va(0)});
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.done, 3u);
  const Pte entry = a_.Get(0);
  EXPECT_TRUE(a_.Share({a_.Va(0)}).status.ok());
  EXPECT_EQ(a_.Get(0), entry);
  EXPECT_EQ(Page(entry.frame()).ref_count, 2u);
}

TEST_P(SharingTest, NoProcessorCanWriteAnyMore) {
  for (const uint32_t i : {0u, 1u}) {
    for (int page = 0; page < kDataPages; ++page) {
      ASSERT_TRUE(a_.Access(a_.Va(page), AccessKind::kWrite, i));
    }
  }
  const uint64_t ipis = host_.cpu(1).counters[Counter::kIpis];
  std::vector<VirtAddr> all;
  for (int page = 0; page < kDataPages; ++page) all.push_back(a_.Va(page));
  ASSERT_TRUE(a_.Share(all).status.ok());
  // One flush for the whole batch.
  EXPECT_EQ(host_.cpu(1).counters[Counter::kIpis], ipis + 1);
  for (const uint32_t i : {0u, 1u}) {
    for (int page = 0; page < kDataPages; ++page) {
      EXPECT_FALSE(a_.Access(a_.Va(page), AccessKind::kWrite, i));
      EXPECT_TRUE(a_.Access(a_.Va(page), AccessKind::kRead, i));
    }
  }
}

// The entry is read-only; the TLB does not know yet.
TEST_P(SharingTest, AnUnflushedDowngradeIsFlushedBeforeHashing) {
  ASSERT_TRUE(a_.Access(a_.Va(0), AccessKind::kWrite, 1));
  ASSERT_EQ(a_.Update(0, Pte(a_.Data(0), kRo)), XenErrno::kOk);
  ASSERT_TRUE(a_.Access(a_.Va(0), AccessKind::kWrite, 1));
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  EXPECT_FALSE(a_.Access(a_.Va(0), AccessKind::kWrite, 1));
}

TEST_P(SharingTest, OnlyWhoHoldsAFrameMapsItAndOnlyReadOnly) {
  const Mfn shared = a_.Data(0);
  a_.Fill(0, 9);
  b_.Fill(0, 9);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  // By its number, as with any frame of another domain.
  EXPECT_EQ(b_.Update(20, Pte(shared, kRo)), Busy());
  EXPECT_EQ(b_.Update(20, Pte(shared, kRw)), Busy());
  EXPECT_EQ(b_.Update(20, Pte(a_.Data(1), kRo)), Busy());
  EXPECT_EQ(a_.Update(20, Pte(shared, kRw)), Busy());
  EXPECT_EQ(a_.Update(0, Pte(shared, kRw)), Busy());
  EXPECT_EQ(a_.Update(20, Pte(shared, kRo)), XenErrno::kOk);
  EXPECT_EQ(host_.sharing().Mappings(shared, a_.id()), 2u);
  // By the same content.
  ASSERT_EQ(b_.ShareErrno({b_.Va(0)}), XenErrno::kOk);
  EXPECT_EQ(b_.Update(20, Pte(shared, kRo)), XenErrno::kOk);
  EXPECT_EQ(Page(shared).ref_count, 4u);
  // As long as it holds it.
  EXPECT_EQ(b_.Update(0, Pte()), XenErrno::kOk);
  EXPECT_EQ(b_.Update(0, Pte(shared, kRo)), XenErrno::kOk);
  EXPECT_EQ(b_.Update(0, Pte()), XenErrno::kOk);
  EXPECT_EQ(b_.Update(20, Pte()), XenErrno::kOk);
  EXPECT_EQ(b_.Update(0, Pte(shared, kRo)), Busy());
}

TEST_P(SharingTest, AFreshTableWithASharedFrameFollowsTheSameRule) {
  const Mfn shared = a_.Data(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  for (const auto& [flags, by_a, by_b] :
       {std::tuple{kRo, XenErrno::kOk, Busy()},
        std::tuple{kRw, Busy(), Busy()}}) {
    for (Guest* guest : {&a_, &b_}) {
      guest->Put(guest->Frame(kSpareL1Pfn), 7, Pte(shared, flags));
      EXPECT_EQ(guest->Op({.command = MmuextCommand::kPinL1,
                           .mfn = guest->Frame(kSpareL1Pfn)}),
                guest == &a_ ? by_a : by_b);
    }
    (void)a_.Op(
        {.command = MmuextCommand::kUnpin, .mfn = a_.Frame(kSpareL1Pfn)});
  }
  EXPECT_EQ(Page(shared).ref_count, 1u);
}

TEST_P(SharingTest, TheFormerOwnerHasNoMoreRightsThanOthers) {
  const Mfn shared = a_.Data(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  const std::array frames = {shared};
  EXPECT_EQ(a_.Execute(DecreaseReservationCall{.frames = frames}).done, 0u);
  EXPECT_FALSE(a_.Execute(SetGdtCall{.frames = frames}).status.ok());
  for (const MmuextOp& op :
       {MmuextOp{.command = MmuextCommand::kPinL1, .mfn = shared},
        MmuextOp{.command = MmuextCommand::kNewBaseptr, .mfn = shared},
        MmuextOp{.command = MmuextCommand::kClearPage, .mfn = shared},
        MmuextOp{.command = MmuextCommand::kCopyPage,
        .mfn = shared,
        .source = a_.Data(1)},
        MmuextOp{.command = MmuextCommand::kCopyPage,
        .mfn = a_.Data(1),
        .source = shared}}) {
    EXPECT_NE(a_.Op(op), XenErrno::kOk);
  }
  // A store to it as to any page, or a table that it is made into.
  EXPECT_EQ(a_.Update(0, Pte(1), shared), XenErrno::kEINVAL);
  const int above = IndexOf(GetParam().mode, 2, a_.Va(0)) + 1;
  const Mfn l2 =
      LevelCount(GetParam().mode) == 2 ? a_.Frame(1000) : a_.Frame(903);
  EXPECT_NE(a_.Update(above, Pte(shared, 7), l2), XenErrno::kOk);
  // Nor by naming who owns it.
  const std::array request = {
      MmuUpdate{a_.EntryOf(a_.l1(), 20), Pte(shared, kRw).raw()}};
  EXPECT_EQ(ErrnoOf(a_.Execute(MmuUpdateCall{.requests = request,
                                             .page_owner = kDomCow})
                        .status),
            XenErrno::kESRCH);
}

TEST_P(SharingTest, TheLastMappingFreesTheFrameAndForgetsTheContent) {
  a_.Fill(0, 9);
  b_.Fill(0, 9);
  const Mfn shared = a_.Data(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(b_.ShareErrno({b_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(a_.Update(0, Pte()), XenErrno::kOk);
  EXPECT_TRUE(host_.sharing().Contains(shared));
  ASSERT_EQ(b_.Update(0, Pte()), XenErrno::kOk);
  EXPECT_FALSE(host_.sharing().Contains(shared));
  EXPECT_TRUE(
      host_.sharing().WithHash(HashContent(host_.memory(), shared)).empty());
  EXPECT_EQ(Page(shared).ref_count, 0u);
  EXPECT_EQ(host_.free_frames(), 2u);
  EXPECT_EQ(Counted(Counter::kSharedFreed), 1u);
  // Both get memory again in the place that they gave up.
  const std::array pfns = {Pfn(kFirstData)};
  EXPECT_EQ(a_.Execute(PopulatePhysmapCall{.pfns = pfns}).done, 1u);
  EXPECT_EQ(b_.Execute(PopulatePhysmapCall{.pfns = pfns}).done, 1u);
  EXPECT_EQ(host_.free_frames(), 0u);
}

TEST_P(SharingTest, ACopyOnWriteReplacesTheMappingAndDropsTheShare) {
  const Mfn shared = a_.Data(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(a_.Update(20, Pte(shared, kRo | kSharedMark)), XenErrno::kOk);
  EXPECT_EQ(ErrnoOf(a_.Execute(UpdateVaMappingCall{
                                   .va = a_.Va(0),
                                   .value = Pte(a_.Data(1), kRw).raw(),
                                   .flush = {.scope = FlushScope::kPage}})
                        .status),
            XenErrno::kOk);
  EXPECT_EQ(Page(shared).ref_count, 1u);
  EXPECT_TRUE(a_.Access(a_.Va(0), AccessKind::kWrite));
}

TEST_P(SharingTest, EmulatedStoresFollowTheSameRule) {
  const Mfn shared = a_.Data(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(a_.Update(21, Pte(a_.l1(), kRo)), XenErrno::kOk);
  a_.domain().set_writable_pagetables(true);
  const auto bytes = static_cast<uint8_t>(EntryBytes(GetParam().mode));
  const Access access{a_.Va(21) + uint64_t{22} * bytes, AccessKind::kWrite,
                      GetParam().mode == PagingMode::k4Level};
  const PageFault fault{.va = access.va,
                        .error_code = pf::kProtection | pf::kWrite};
  for (const uint64_t flags : {kRw, kRo | kSharedMark}) {
    MemoryOperand store{.kind = OperandKind::kStore,
                        .size = bytes,
                        .value = Pte(shared, flags).raw()};
    EXPECT_EQ(mm_.EmulatePteWrite(a_.vcpu(), fault, access, store),
              flags != kRw);
  }
  EXPECT_EQ(a_.Get(22).frame(), shared);
  EXPECT_EQ(a_.Get(22).raw() & kSharedMark, kSharedMark);
  EXPECT_EQ(Page(shared).ref_count, 2u);
}

TEST_P(SharingTest, AMulticallCarriesIt) {
  const std::array one = {a_.Va(0)};
  const std::array two = {a_.Va(1)};
  const std::array<Subcall, 2> calls = {MakeRoAndShareCall{.mappings = one},
                                        MakeRoAndShareCall{.mappings = two}};
  EXPECT_EQ(a_.Execute(MulticallCall{.calls = calls}).done, 2u);
  EXPECT_EQ(Page(a_.Data(0)).ref_count, 2u);
}

TEST_P(SharingTest, EachPageIsHashedOnceAndComparedOnlyWithItsLike) {
  for (int i = 0; i < 4; ++i) a_.Fill(i, static_cast<uint64_t>(i) / 2 + 1);
  std::vector<VirtAddr> mappings;
  for (int i = 0; i < 4; ++i) mappings.push_back(a_.Va(i));
  ASSERT_TRUE(a_.Share(mappings).status.ok());
  EXPECT_EQ(host_.cpu(0).clock.tally(CostEvent::kHashPage), 4u);
  EXPECT_EQ(host_.cpu(0).clock.tally(CostEvent::kComparePage), 2u);
}

// A 4-byte entry could not name the frame.
TEST(SharingLimitTest, ATwoLevelGuestIsNotLedToAFrameThatItCannotName) {
  Host host(*FindMachine("skylake-2017"), {.timing = MemoryTiming::kFlat});
  Mm mm(host);
  Guest low(host, mm, PagingMode::k2Level);
  ASSERT_TRUE(host.CreateDomain({.memory_frames = uint64_t{1} << 20}).ok());
  Guest high(host, mm, PagingMode::k4Level);
  const Mfn own = low.Data(0);
  ASSERT_EQ(high.ShareErrno({high.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(low.ShareErrno({low.Va(0)}), XenErrno::kOk);
  EXPECT_EQ(low.Get(0).frame(), own);
  // The other way round there is no limit.
  low.Fill(1, 3);
  high.Fill(1, 3);
  ASSERT_EQ(low.ShareErrno({low.Va(1)}), XenErrno::kOk);
  ASSERT_EQ(high.ShareErrno({high.Va(1)}), XenErrno::kOk);
  EXPECT_EQ(high.Get(1).frame(), low.Get(1).frame());
}

}  // namespace
}  // namespace xmmu
