#include <random>

#include "absl/strings/str_format.h"
#include "policy/shadow/shadow_world.h"
#include "xmmu/policy/shadow_options.h"
#include "xmmu/xen/shadow/guest_walk.h"

// Guests on shadows that write anything into their tables, flush when they
// please or never, and use tables at any level: nothing but their own memory is
// reached, no table in sync is writable, and the hypervisor stays up.

namespace xmmu::shadow_hostile_test {
namespace {

struct HostileSetting {
  PagingMode mode;
  int vcpus;
  uint32_t pool;  // 0: the usual share
  std::string_view strategy = "xi_shadow";
};

std::unique_ptr<Policy> MakeStrategy(Host& host,
                                     const HostileSetting& setting) {
  if (setting.strategy == "shadow_2005") {
    return MakeShadow2005(host, {.pool = {.shadows = setting.pool}});
  }
  if (setting.strategy == "shadow_2006") {
    return MakeShadow2006(host, {.pool = {.shadows = setting.pool}});
  }
  if (setting.strategy == "shadow_2008") {
    return MakeShadow2008(host, {.pool = {.shadows = setting.pool}});
  }
  return MakeXiShadow(host, {.pool = {.shadows = setting.pool}});
}

class ShadowHostileTest : public ::testing::TestWithParam<HostileSetting> {
 protected:
  static constexpr int kSteps = 400;

  // An entry such as a kernel would not make.
  uint64_t AnyEntry(std::mt19937_64& random) {
    constexpr uint64_t kOften[] = {
        pte::kPresent, pte::kWritable, pte::kUser,     pte::kAccessed,
        pte::kDirty,   pte::kPresent,  pte::kWritable, pte::kUser};
    uint64_t flags = 0;
    for (const uint64_t flag : kOften) {
      if (random() % 4 != 0) flags |= flag;
    }
    if (random() % 6 == 0) flags |= pte::kPageSize;
    if (random() % 8 == 0) flags |= pte::kGlobal;
    if (random() % 16 == 0 && GetParam().mode != PagingMode::k2Level) {
      flags |= pte::kNoExecute;
    }
    if (random() % 64 == 0) flags |= uint64_t{1} << (random() % 32);
    const uint64_t pfn =
        random() % 3 == 0 ? random() % kTables : random() % 1100;
    return Pte(Mfn(pfn), flags).raw();
  }

  VirtAddr AnyAddress(std::mt19937_64& random) {
    constexpr VirtAddr kBases[] = {kBase, kBase, kLarge, kFar};
    const VirtAddr base = kBases[random() % 4];
    return base + random() % 600 * kPageSize + random() % 512 * 8;
  }

  void Step(ShadowWorld& world, std::mt19937_64& random) {
    const auto id = static_cast<uint32_t>(
        random() % static_cast<uint64_t>(GetParam().vcpus));
    const VirtAddr table = kBase + random() % kTables * kPageSize;
    switch (random() % 16) {
      default:
        world.Load(AnyAddress(random), id);
        break;
      case 0:
      case 1:
      case 2:  // into a table, by one of its two mappings
        world.Store(table + random() % 512 * 8, AnyEntry(random), id);
        break;
      case 3:
        world.Store(kLarge + (table - kBase) + random() % 512 * 8,
                    AnyEntry(random), id);
        break;
      case 4: {  // a slot that matters
        const VirtAddr va = kBase + random() % 600 * kPageSize;
        const int level = 1 + static_cast<int>(random() % 2);
        world.Store(world.Seen(world.SlotIn(random() % kTables, level, va)),
                    AnyEntry(random), id);
        break;
      }
      case 5:
      case 6:
        world.Store(AnyAddress(random), AnyEntry(random), id);
        break;
      case 7:
        world.Flush(TlbFlush::Page(AnyAddress(random)), 1 + random() % 3);
        break;
      case 8:
        world.Flush(TlbFlush::NonGlobal(), 1 + random() % 3);
        break;
      case 10:
        world.Flush(TlbFlush::NonGlobal(), 3);
        ExpectAsWalked(world, AnyAddress(random), id);
        break;
      case 9:  // any frame as a root; the first one again, to get on
        world.LoadCr3(random() % 4 == 0 ? random() % 1100 : world.root, id)
            .IgnoreError();
        break;
    }
  }

  // Nothing can be stale after a flush: a load comes out as the guest's tables
  // say now.
  void ExpectAsWalked(ShadowWorld& world, VirtAddr va, uint32_t id) {
    CpuFeatures features = world.host.model().features;
    features.pages_1g = false;
    PagingContext paging(KernelControlRegisters(GetParam().mode, features),
                         features);
    const Mfn table = world.vcpu(id).guest_table;
    paging.root =
        MachineAddr(world.domain->p2m().PfnOf(table).value() << kPageShift);
    for (size_t i = 0; i < 4 && GetParam().mode == PagingMode::kPae; ++i) {
      const uint64_t pdpte =
          world.host.memory().Read64(AddressOf(table) + i * 8);
      // Refused by MOV CR3: the old ones stay in force.
      if ((pdpte & PdpteReservedBits(features)) != 0) return;
      paging.pdpte[i] = pdpte;
    }
    const GuestWalk walk =
        WalkGuest(world.host, *world.domain, world.cpu(id), paging,
                  {va, AccessKind::kRead, /*user=*/true});
    if (walk.ok && world.domain->MfnOf(walk.gfn) == kInvalidMfn) return;
    EXPECT_EQ(world.FrameAt(va, id), walk.ok ? walk.gfn.value() : ~uint64_t{0});
  }

  void Run(uint64_t seed) {
    ShadowWorld world(GetParam().mode, GetParam().vcpus,
                      [](Host& on) { return MakeStrategy(on, GetParam()); });
    ASSERT_EQ(world.Start(), absl::OkStatus());
    std::mt19937_64 random(seed);
    // Another domain's memory, which must stay as it is.
    Domain& other = **world.host.CreateDomain(
        {.mode = GetParam().mode, .memory_frames = 1024, .translated = true});
    const uint64_t before = Hash(world, other);
    for (int step = 0; step < kSteps && !HasFailure(); ++step) {
      Step(world, random);
      ASSERT_EQ(world.policy->Audit(), absl::OkStatus())
          << "seed " << seed << ", step " << step;
    }
    EXPECT_EQ(Hash(world, other), before);
  }
  static uint64_t Hash(const ShadowWorld& world, const Domain& domain) {
    uint64_t hash = 0;
    for (uint64_t pfn = 0; pfn < domain.p2m().size(); ++pfn) {
      const Mfn mfn = domain.p2m().MfnOf(Pfn(pfn));
      for (uint64_t at = 0; at < kPageSize; at += 512) {
        hash = MixHash(hash, world.host.memory().Read64(AddressOf(mfn) + at));
      }
    }
    return hash;
  }
};

TEST_P(ShadowHostileTest, AnythingGoesAndNothingHappens) {
  for (uint64_t seed = 1; seed <= 6 && !HasFailure(); ++seed) Run(seed);
}

std::vector<HostileSetting> HostileSettings() {
  std::vector<HostileSetting> settings;
  for (const std::string_view strategy :
       {"xi_shadow", "shadow_2005", "shadow_2006", "shadow_2008"}) {
    for (const PagingMode mode :
         {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
      // The path, and the other vCPU's root, where roots are shadowed.
      uint32_t fewest = mode == PagingMode::k4Level ? 5 : 2;
      if (strategy == "shadow_2005" && mode == PagingMode::k2Level) fewest = 3;
      settings.push_back({mode, 1, 0, strategy});
      settings.push_back({mode, 2, fewest, strategy});
    }
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(
    Guests, ShadowHostileTest, ::testing::ValuesIn(HostileSettings()),
    [](const ::testing::TestParamInfo<HostileSetting>& setting) {
      return absl::StrFormat("%s_%dlevels_%dcpus_pool%d",
                             setting.param.strategy,
                             LevelCount(setting.param.mode),
                             setting.param.vcpus, setting.param.pool);
    });

}  // namespace
}  // namespace xmmu::shadow_hostile_test
