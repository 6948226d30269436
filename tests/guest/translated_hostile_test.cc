// Guests of every strategy that has translated ones, whose kernels write
// anything into their tables, flush when they please or never, use tables at
// any level, give memory back that they still use, while their pages are moved
// under them: nothing but their own memory is reached, no table in sync is
// writable, and the hypervisor stays up. A new row of the table of policies is
// covered by being there.
//
// Two domains of two vCPUs each take turns on two CPUs, so that what one gives
// back is what the other one gets.
//
// XMMU_HOSTILE_EVENTS=1000000 is that many events for each row and mode;
// XMMU_HOSTILE_JUDGE_EVERY=20 recounts and judges after each 20 of them and at
// the end of each sequence, which is most of the time.

#include <array>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "absl/base/config.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "policy/shadow/translated_guest.h"
#include "testing/conformance/hardware_view.h"
#include "xmmu/policy/policies.h"
#include "xmmu/policy/shadow_options.h"
#include "xmmu/xen/shadow/guest_walk.h"

namespace xmmu::translated_hostile_test {
namespace {

using conformance::FirstEscape;
using conformance::FirstShadowEscape;

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
constexpr int kEvents = 300;
#else
constexpr int kEvents = 2000;
#endif
// Guests lose more and more of what they could still break: begin anew.
constexpr int kEventsASequence = 100;

constexpr std::string_view kSmallest = "xi-shadow-smallest-pool";

int NumberFrom(const char* variable, int otherwise) {
  const char* const text = std::getenv(variable);
  int number = 0;
  const bool set =
      text != nullptr && absl::SimpleAtoi(text, &number) && number > 0;
  return set ? number : otherwise;
}

// A machine whose TLBs are small, to be looked through after each event.
MachineModel SmallMachine(std::string_view name) {
  MachineModel model = *FindMachine(name);
  model.tlb = TlbGeometry();
  model.tlb.instruction_l1[0] = {4, 0, kTlb4K | kTlbLarge};
  model.tlb.data_l1[0] = {16, 0, kTlb4K | kTlbLarge};
  model.tlb.data_l2[0] = {64, 0, kTlb4K | kTlbLarge};
  for (size_t level = 2; level <= 4; ++level) model.psc.level[level] = {8, 0};
  return model;
}

struct HostileSetting {
  std::string_view policy;
  PagingMode mode;
  std::string_view machine;
};

class World {
 public:
  explicit World(const HostileSetting& setting)
      : model_(SmallMachine(setting.machine)),
        host_(model_, {.cpus = 2, .timing = MemoryTiming::kFlat}),
        policy_(MakePolicy(setting)) {
    for (auto& guest : guests_) {
      guest = std::make_unique<TranslatedGuest>(host_, *policy_, setting.mode,
                                                /*vcpus=*/2);
      EXPECT_EQ(guest->Start(), absl::OkStatus());
    }
    // Another domain's memory, which must stay as it is.
    bystander_ = *host_.CreateDomain(
        {.mode = setting.mode, .memory_frames = 256, .translated = true});
    hash_ = HashOfBystander();
  }

  TranslatedGuest& guest(size_t i) { return *guests_[i]; }
  Host& host() { return host_; }
  Policy& policy() { return *policy_; }
  bool crashed() const {
    return guests_[0]->domain->crashed() || guests_[1]->domain->crashed();
  }
  uint64_t holes() const { return host_.free_frames(); }

  // "" or what is wrong.
  std::string Judge() {
    const absl::Status audit = policy_->Audit();
    if (!audit.ok()) return std::string(audit.message());
    return guests_[0]->vcpu().vm.nested ? FirstEscape(host_)
                                        : FirstShadowEscape(host_);
  }
  bool BystanderIsWell() const { return HashOfBystander() == hash_; }

 private:
  std::unique_ptr<Policy> MakePolicy(const HostileSetting& setting) {
    if (setting.policy != kSmallest) {
      return FindPolicy(setting.policy)->make(host_);
    }
    const bool roots = LevelCount(setting.mode) >= 4;
    return MakeXiShadow(host_, {.pool = {.shadows = roots ? 5u : 2u}});
  }
  uint64_t HashOfBystander() const {
    uint64_t hash = 0;
    for (uint64_t pfn = 0; pfn < bystander_->p2m().size(); ++pfn) {
      const Mfn mfn = bystander_->p2m().MfnOf(Pfn(pfn));
      for (uint64_t at = 0; at < kPageSize; at += 1024) {
        hash = MixHash(hash, host_.memory().Read64(AddressOf(mfn) + at));
      }
    }
    return hash;
  }

  const MachineModel model_;
  Host host_;
  std::unique_ptr<Policy> policy_;
  std::array<std::unique_ptr<TranslatedGuest>, 2> guests_;
  Domain* bystander_ = nullptr;
  uint64_t hash_ = 0;
};

class TranslatedHostileTest : public ::testing::TestWithParam<HostileSetting> {
 protected:
  struct Progress {
    uint64_t given = 0;
    uint64_t taken = 0;
    uint64_t moved = 0;
    uint64_t reached = 0;  // accesses that came to an end
    uint64_t compared = 0;
    uint64_t crashes = 0;
  };

  // One guest's vCPU at its next event.
  struct Actor {
    World& world;
    TranslatedGuest& guest;
    uint32_t id;
    std::mt19937_64& random;
  };

  PagingMode mode() const { return GetParam().mode; }

  // An entry such as a kernel would not make.
  uint64_t AnyEntry(std::mt19937_64& random) const {
    constexpr uint64_t kOften[] = {
        pte::kPresent, pte::kWritable, pte::kUser,     pte::kAccessed,
        pte::kDirty,   pte::kPresent,  pte::kWritable, pte::kUser};
    uint64_t flags = 0;
    for (const uint64_t flag : kOften) {
      if (random() % 4 != 0) flags |= flag;
    }
    if (random() % 6 == 0) flags |= pte::kPageSize;
    if (random() % 8 == 0) flags |= pte::kGlobal;
    if (random() % 16 == 0 && mode() != PagingMode::k2Level) {
      flags |= pte::kNoExecute;
    }
    if (random() % 64 == 0) flags |= uint64_t{1} << (random() % 32);
    return Pte(Mfn(AnyFrame(random)), flags).raw();
  }
  static uint64_t AnyFrame(std::mt19937_64& random) {
    switch (random() % 4) {
      case 0:
        return random() % kTables;
      case 1:
        return random() % kMapped;
      default:
        return random() % 64 == 0 ? kFrames + random() % 76
                                  : random() % kFrames;
    }
  }
  static VirtAddr AnyAddress(std::mt19937_64& random) {
    constexpr VirtAddr kBases[] = {kBase, kBase, kLarge, kFar};
    const VirtAddr base = kBases[random() % 4];
    const uint64_t page = random() % (random() % 2 == 0 ? 600 : kMapped);
    return base + page * kPageSize + random() % 512 * 8;
  }
  // Where the guest sees a slot of its tables, one that matters or any.
  VirtAddr AnySlot(Actor& actor) const {
    std::mt19937_64& random = actor.random;
    const uint64_t table = random() % kTables;
    uint64_t offset = random() % 512 * 8;
    if (random() % 2 == 0) {
      const int level = 1 + static_cast<int>(random() % 2);
      const VirtAddr va = kBase + random() % 600 * kPageSize;
      offset = PageOffset(
          EntryAddress(mode(), MachineAddr(), IndexOf(mode(), level, va)));
    }
    return (random() % 4 == 0 ? kLarge : kBase) + table * kPageSize + offset;
  }

  void Step(Actor actor) {
    auto& [world, guest, id, random] = actor;
    switch (random() % 18) {
      default:
        progress_.reached += guest.Load(AnyAddress(random), id);
        return;
      case 0:
      case 1:
      case 2:
      case 3:
        guest.Store(AnySlot(actor), AnyEntry(random), id);
        return;
      case 4:
      case 5:
        progress_.reached +=
            guest.Store(AnyAddress(random), AnyEntry(random), id);
        return;
      case 6:
        return guest.Flush(TlbFlush::Page(AnyAddress(random)), 1 + random() % 3,
                           id);
      case 7:
        return guest.Flush(
            random() % 4 == 0 ? TlbFlush::All() : TlbFlush::NonGlobal(),
            1 + random() % 3, id);
      case 8:
        guest.Flush(TlbFlush::NonGlobal(), 3, id);
        return ExpectAsWalked(actor, AnyAddress(random));
      case 9:
        return LoadRoot(actor);
      case 10:
      case 11:
        return ChangeMemory(actor);
    }
  }

  // Any frame as a root; the first one again, to get on.
  void LoadRoot(Actor& actor) {
    auto& [world, guest, id, random] = actor;
    const uint64_t root = random() % 4 == 0 ? AnyFrame(random) : guest.root;
    guest.LoadCr3(root, id).IgnoreError();
  }

  // The balloon, by the guest; a page moved, by the toolstack.
  void ChangeMemory(Actor& actor) {
    auto& [world, guest, id, random] = actor;
    if (random() % 4 == 0) {
      const absl::Status moved =
          world.policy().MovePage(guest.vcpu(id), Gfn(AnyFrame(random)));
      progress_.moved += moved.ok();
    } else if (world.holes() < 24 && random() % 2 == 0) {
      const std::array frames = {Mfn(AnyFrame(random)), Mfn(AnyFrame(random))};
      const DecreaseReservationCall call{.frames = frames};
      progress_.given += world.policy().Hypercall(guest.vcpu(id), call).done;
    } else {
      std::vector<Pfn> holes;
      for (uint64_t pfn = 0; pfn < kFrames; ++pfn) {
        if (guest.domain->p2m().MfnOf(Pfn(pfn)) != kInvalidMfn) continue;
        holes.push_back(Pfn(pfn));
        if (holes.size() == 3) break;
      }
      const PopulatePhysmapCall call{.pfns = holes};
      progress_.taken += world.policy().Hypercall(guest.vcpu(id), call).done;
    }
  }

  // Nothing can be stale after a flush: a load comes out as the guest's tables
  // say now.
  void ExpectAsWalked(Actor& actor, VirtAddr va) {
    auto& [world, guest, id, random] = actor;
    const Mfn table = guest.vcpu(id).guest_table;
    if (table == kInvalidMfn) return;  // given back
    CpuFeatures features = world.host().model().features;
    // Hidden from guests on shadows; nested tables leave the guest's alone.
    if (!guest.vcpu(id).vm.nested) features.pages_1g = false;
    PagingContext paging(KernelControlRegisters(mode(), features), features);
    const Pfn root = guest.domain->p2m().PfnOf(table);
    paging.root = MachineAddr(root.value() << kPageShift);
    for (size_t i = 0; i < 4 && mode() == PagingMode::kPae; ++i) {
      const uint64_t pdpte =
          world.host().memory().Read64(AddressOf(table) + i * 8);
      // Refused by MOV CR3: the old ones stay in force.
      if ((pdpte & PdpteReservedBits(features)) != 0) return;
      paging.pdpte[i] = pdpte;
    }
    const GuestWalk walk =
        WalkGuest(world.host(), *guest.domain, guest.cpu(id), paging,
                  {va, AccessKind::kRead, guest.user});
    if (walk.ok && guest.domain->MfnOf(walk.gfn) == kInvalidMfn) return;
    const uint64_t expected = walk.ok ? walk.gfn.value() : ~uint64_t{0};
    const uint64_t got = guest.FrameAt(va, id);
    if (guest.domain->crashed()) return;
    EXPECT_EQ(got, expected);
    ++progress_.compared;
  }

  std::unique_ptr<World> NewWorld() const {
    auto world = std::make_unique<World>(GetParam());
    for (size_t i = 0; i < 2; ++i) world->guest(i).audits = judge_every_ == 1;
    return world;
  }

  void Run(uint64_t seed) {
    std::mt19937_64 random(seed);
    auto world = NewWorld();
    for (int event = 0; event < kEventsASequence && !HasFailure(); ++event) {
      TranslatedGuest& guest = world->guest(random() % 2);
      const auto id = static_cast<uint32_t>(random() % 2);
      guest.Resume(id);
      Step({*world, guest, id, random});
      const bool last = event + 1 == kEventsASequence || world->crashed();
      if (last || event % judge_every_ == 0) {
        ASSERT_EQ(world->Judge(), "") << "seed " << seed << ", event " << event;
      }
      if (!world->crashed()) continue;
      // A domain that Xen has given up does nothing any more.
      ++progress_.crashes;
      EXPECT_TRUE(world->BystanderIsWell());
      world = NewWorld();
    }
    EXPECT_TRUE(world->BystanderIsWell());
  }

  Progress progress_;
  const int judge_every_ = NumberFrom("XMMU_HOSTILE_JUDGE_EVERY", 1);
};

TEST_P(TranslatedHostileTest, AnythingGoesAndNothingHappens) {
  const int events = NumberFrom("XMMU_HOSTILE_EVENTS", kEvents);
  const int sequences = (events + kEventsASequence - 1) / kEventsASequence;
  for (int seed = 1; seed <= sequences && !HasFailure(); ++seed) {
    Run(static_cast<uint64_t>(seed));
  }
  std::cout << GetParam().policy << ": seeds 1 to " << sequences << ", "
            << sequences * kEventsASequence << " events; " << progress_.reached
            << " accesses performed, " << progress_.compared << " compared; "
            << progress_.given << " pages given back, " << progress_.taken
            << " taken, " << progress_.moved << " moved; " << progress_.crashes
            << " crashes\n";
  // The test means something only if many accesses are performed.
  const auto all = static_cast<uint64_t>(sequences);
  EXPECT_GT(progress_.reached, all);
  EXPECT_GT(progress_.given, all / 2);
  EXPECT_GT(progress_.taken, all / 4);
  EXPECT_GT(progress_.moved, all / 4);
  EXPECT_GT(progress_.compared, all);
}

std::vector<HostileSetting> Settings() {
  std::vector<HostileSetting> settings;
  Host host(*FindMachine("skylake-2017"), {});
  const auto add = [&](std::string_view name, Policy& policy) {
    for (const PagingMode mode : kAllPagingModes) {
      const absl::StatusOr<GuestAbi> abi = policy.Abi(mode);
      if (!abi.ok() || !abi->translated) continue;
      settings.push_back({name, mode, "skylake-2017"});
      // These machines have no tags, or AMD's nested tables.
      if (mode == PagingMode::kPae) {
        settings.push_back({name, mode, "xeon-2003"});
        settings.push_back({name, mode, "opteron-2005"});
      }
    }
  };
  for (const PolicyEntry& entry : Policies()) {
    const std::unique_ptr<Policy> policy = entry.make(host);
    add(entry.name, *policy);
  }
  const std::unique_ptr<Policy> smallest = MakeXiShadow(host, {});
  add(kSmallest, *smallest);
  return settings;
}

INSTANTIATE_TEST_SUITE_P(
    Rows, TranslatedHostileTest, ::testing::ValuesIn(Settings()),
    [](const ::testing::TestParamInfo<HostileSetting>& setting) {
      std::string name = absl::StrFormat("%s_%s_%s", setting.param.policy,
                                         PagingModeName(setting.param.mode),
                                         setting.param.machine);
      for (char& c : name) {
        if (c == '-' || c == '.') c = '_';
      }
      return name;
    });

}  // namespace
}  // namespace xmmu::translated_hostile_test
