#include "testing/conformance/translated_hostile.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "testing/conformance/hardware_view.h"
#include "xmmu/xen/shadow/guest_walk.h"

namespace xmmu::conformance {
namespace {

// A machine whose TLBs are small, to be looked through after each event.
MachineModel MachineOfSmallTlbs(std::string_view name) {
  MachineModel model = *FindMachine(name);
  model.tlb = TlbGeometry();
  model.tlb.instruction_l1[0] = {4, 0, kTlb4K | kTlbLarge};
  model.tlb.data_l1[0] = {16, 0, kTlb4K | kTlbLarge};
  model.tlb.data_l2[0] = {64, 0, kTlb4K | kTlbLarge};
  for (size_t level = 2; level <= 4; ++level) model.psc.level[level] = {8, 0};
  return model;
}

uint64_t AnyFrameOf(std::mt19937_64& random) {
  switch (random() % 4) {
    case 0:
      return random() % kTables;
    case 1:
      return random() % kMapped;
    default:
      return random() % 64 == 0 ? kFrames + random() % 76 : random() % kFrames;
  }
}

// Addresses that a guest has accessed last: what its TLBs may have, and its
// tables are then changed under.
constexpr size_t kRecent = 4;

VirtAddr AnyAddressOf(std::mt19937_64& random) {
  constexpr VirtAddr kBases[] = {kBase, kBase, kLarge, kFar};
  const VirtAddr base = kBases[random() % 4];
  const uint64_t page = random() % (random() % 2 == 0 ? 600 : kMapped);
  return base + page * kPageSize + random() % 512 * 8;
}

}  // namespace

// Two guests on one machine, and a third that does nothing.
class TranslatedHostile::Machine {
 public:
  Machine(const MachineModel& model, const PolicyFactory& make, PagingMode mode)
      : host_(model, {.cpus = 2, .timing = MemoryTiming::kFlat}),
        policy_(make(host_)) {
    for (auto& guest : guests_) {
      guest = std::make_unique<TranslatedGuest>(host_, *policy_, mode,
                                                /*vcpus=*/2);
      if (status_.ok()) status_ = guest->Start();
    }
    // Another domain's memory, which must stay as it is.
    bystander_ = *host_.CreateDomain(
        {.mode = mode, .memory_frames = 256, .translated = true});
    hash_ = HashOfBystander();
  }

  TranslatedGuest& guest(size_t i) { return *guests_[i]; }
  Host& host() { return host_; }
  Policy& policy() { return *policy_; }
  bool crashed() const {
    return guests_[0]->domain->crashed() || guests_[1]->domain->crashed();
  }
  uint64_t holes() const { return host_.free_frames(); }
  // The addresses that `of` has accessed last, in any order.
  std::array<VirtAddr, kRecent>& recent(const TranslatedGuest& of) {
    return recent_.at(&of == guests_[0].get() ? 0 : 1);
  }

  // What has gone wrong up to now, in an event or the boot.
  std::string Noted() const {
    if (!status_.ok()) return std::string(status_.message());
    for (const auto& guest : guests_) {
      if (!guest->wrong().empty()) return guest->wrong();
    }
    return BystanderIsWell() ? "" : "another domain's memory has changed";
  }
  // What the policy's audit finds, or how a guest can escape.
  std::string Judge() {
    const absl::Status audit = policy_->Audit();
    if (!audit.ok()) return std::string(audit.message());
    return guests_[0]->vcpu().vm.nested ? FirstEscape(host_)
                                        : FirstShadowEscape(host_);
  }

 private:
  bool BystanderIsWell() const { return HashOfBystander() == hash_; }
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

  Host host_;
  std::unique_ptr<Policy> policy_;
  std::array<std::unique_ptr<TranslatedGuest>, 2> guests_;
  absl::Status status_;
  std::array<std::array<VirtAddr, kRecent>, 2> recent_ = {};
  Domain* bystander_ = nullptr;
  uint64_t hash_ = 0;
};

TranslatedHostile::TranslatedHostile(PagingMode mode, std::string_view machine,
                                     const PolicyFactory& make)
    : mode_(mode), model_(MachineOfSmallTlbs(machine)), make_(make) {}

std::unique_ptr<TranslatedHostile::Machine> TranslatedHostile::NewMachine(
    bool audits) const {
  auto machine = std::make_unique<Machine>(model_, make_, mode_);
  for (size_t i = 0; i < 2; ++i) machine->guest(i).audits = audits;
  return machine;
}

std::string TranslatedHostile::Run(uint64_t seed, int events, int judge_every) {
  std::mt19937_64 random(seed);
  auto machine = NewMachine(judge_every == 1);
  std::string wrong = machine->Noted();
  for (int event = 0; event < events && wrong.empty(); ++event) {
    TranslatedGuest& guest = machine->guest(random() % 2);
    const auto id = static_cast<uint32_t>(random() % 2);
    guest.Resume(id);
    wrong = Step({*machine, guest, id, random});
    const bool last = event + 1 == events || machine->crashed();
    if (wrong.empty() && (last || event % judge_every == 0)) {
      wrong = machine->Judge();
    }
    if (wrong.empty() && last) wrong = machine->Noted();
    if (!wrong.empty()) return absl::StrCat("event ", event, ": ", wrong);
    if (!machine->crashed()) continue;
    // A domain that Xen has given up does nothing any more.
    ++progress_.crashes;
    machine = NewMachine(judge_every == 1);
  }
  return wrong;
}

// An entry such as a kernel would not make.
uint64_t TranslatedHostile::AnyEntry(std::mt19937_64& random) const {
  constexpr uint64_t kOften[] = {pte::kPresent,  pte::kWritable, pte::kUser,
                                 pte::kAccessed, pte::kDirty,    pte::kPresent,
                                 pte::kWritable, pte::kUser};
  uint64_t flags = 0;
  for (const uint64_t flag : kOften) {
    if (random() % 4 != 0) flags |= flag;
  }
  if (random() % 6 == 0) flags |= pte::kPageSize;
  if (random() % 8 == 0) flags |= pte::kGlobal;
  if (random() % 16 == 0 && mode_ != PagingMode::k2Level) {
    flags |= pte::kNoExecute;
  }
  if (random() % 64 == 0) flags |= uint64_t{1} << (random() % 32);
  return Pte(Mfn(AnyFrameOf(random)), flags).raw();
}

// Where the guest sees a slot of its tables, one that matters or any.
VirtAddr TranslatedHostile::AnySlot(Actor& actor) const {
  std::mt19937_64& random = actor.random;
  const uint64_t table = random() % kTables;
  uint64_t offset = random() % 512 * 8;
  if (random() % 2 == 0) {
    const int level = 1 + static_cast<int>(random() % 2);
    const VirtAddr va =
        random() % 2 == 0
            ? kBase + random() % 600 * kPageSize
            : actor.machine.recent(actor.guest).at(random() % kRecent);
    offset = PageOffset(
        EntryAddress(mode_, MachineAddr(), IndexOf(mode_, level, va)));
  }
  return (random() % 4 == 0 ? kLarge : kBase) + table * kPageSize + offset;
}

VirtAddr TranslatedHostile::AnyAddress(Actor& actor) {
  std::mt19937_64& random = actor.random;
  VirtAddr& recent = actor.machine.recent(actor.guest).at(random() % kRecent);
  if (random() % 4 != 0) recent = AnyAddressOf(random);
  return recent;
}

// What is random is chosen in statements of its own: compilers differ in the
// order in which they evaluate arguments.
std::string TranslatedHostile::Step(Actor actor) {
  auto& [machine, guest, id, random] = actor;
  const uint64_t what = random() % 18;
  if (what <= 3) {
    const VirtAddr slot = AnySlot(actor);
    guest.Store(slot, AnyEntry(random), id);
  } else if (what <= 5) {
    const VirtAddr va = AnyAddress(actor);
    progress_.reached += guest.Store(va, AnyEntry(random), id);
  } else if (what <= 7) {
    TlbFlush flush = TlbFlush::Page(AnyAddress(actor));
    if (what == 7) {
      flush = random() % 4 == 0 ? TlbFlush::All() : TlbFlush::NonGlobal();
    }
    guest.Flush(flush, 1 + random() % 3, id);
  } else if (what == 8) {
    guest.Flush(TlbFlush::NonGlobal(), 3, id);
    return CheckAllAsWalked(actor);
  } else if (what == 9) {
    LoadRoot(actor);
  } else if (what <= 11) {
    ChangeMemory(actor);
  } else {
    progress_.reached += guest.Load(AnyAddress(actor), id);
  }
  return guest.wrong();
}

// Loads any frame as a root, or the first one again, to get on.
void TranslatedHostile::LoadRoot(Actor& actor) {
  auto& [machine, guest, id, random] = actor;
  const uint64_t root = random() % 4 == 0 ? AnyFrameOf(random) : guest.root;
  guest.LoadCr3(root, id).IgnoreError();
}

// The guest gives pages to its balloon or takes some, or the toolstack moves a
// page.
void TranslatedHostile::ChangeMemory(Actor& actor) {
  auto& [machine, guest, id, random] = actor;
  if (random() % 4 == 0) {
    const absl::Status moved =
        machine.policy().MovePage(guest.vcpu(id), Gfn(AnyFrameOf(random)));
    progress_.moved += moved.ok();
  } else if (machine.holes() < 24 && random() % 2 == 0) {
    const std::array frames = {Mfn(AnyFrameOf(random)),
                               Mfn(AnyFrameOf(random))};
    const DecreaseReservationCall call{.frames = frames};
    progress_.given += machine.policy().Hypercall(guest.vcpu(id), call).done;
  } else {
    std::vector<Pfn> holes;
    for (uint64_t pfn = 0; pfn < kFrames; ++pfn) {
      if (guest.domain->p2m().MfnOf(Pfn(pfn)) != kInvalidMfn) continue;
      holes.push_back(Pfn(pfn));
      if (holes.size() == 3) break;
    }
    const PopulatePhysmapCall call{.pfns = holes};
    progress_.taken += machine.policy().Hypercall(guest.vcpu(id), call).done;
  }
}

std::string TranslatedHostile::CheckAllAsWalked(Actor& actor) {
  std::string wrong = CheckAsWalked(actor, AnyAddressOf(actor.random));
  for (const VirtAddr va : actor.machine.recent(actor.guest)) {
    if (wrong.empty()) wrong = CheckAsWalked(actor, va);
  }
  return wrong;
}

// Nothing can be stale after a flush, so a load comes out as the guest's tables
// say now.
std::string TranslatedHostile::CheckAsWalked(Actor& actor, VirtAddr va) {
  auto& [machine, guest, id, random] = actor;
  const Mfn table = guest.vcpu(id).guest_table;
  if (table == kInvalidMfn) return guest.wrong();  // it has been given back
  CpuFeatures features = machine.host().model().features;
  // Guests on shadows do not find 1 GiB pages; nested tables leave the guest's
  // alone.
  if (!guest.vcpu(id).vm.nested) features.pages_1g = false;
  PagingContext paging(KernelControlRegisters(mode_, features), features);
  const Pfn root = guest.domain->p2m().PfnOf(table);
  paging.root = MachineAddr(root.value() << kPageShift);
  for (size_t i = 0; i < 4 && mode_ == PagingMode::kPae; ++i) {
    const uint64_t pdpte =
        machine.host().memory().Read64(AddressOf(table) + i * 8);
    // MOV to CR3 refuses these, and the old ones stay in force.
    if ((pdpte & PdpteReservedBits(features)) != 0) return guest.wrong();
    paging.pdpte[i] = pdpte;
  }
  const GuestWalk walk = WalkGuest(machine.host(), *guest.domain, guest.cpu(id),
                                   paging, {va, AccessKind::kRead, guest.user});
  if (walk.ok && guest.domain->MfnOf(walk.gfn) == kInvalidMfn) {
    return guest.wrong();
  }
  const uint64_t expected = walk.ok ? walk.gfn.value() : ~uint64_t{0};
  const uint64_t got = guest.FrameAt(va, id);
  if (guest.domain->crashed()) return guest.wrong();
  ++progress_.compared;
  if (got == expected) return guest.wrong();
  return absl::StrFormat(
      "after a flush a load of 0x%x reaches frame 0x%x of the guest, not 0x%x",
      va.value(), got, expected);
}

}  // namespace xmmu::conformance
