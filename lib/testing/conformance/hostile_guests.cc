#include "testing/conformance/hostile_guests.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "testing/conformance/hardware_view.h"
#include "xen/layout.h"
#include "xmmu/base/check.h"
#include "xmmu/machine/pte.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/internal/direct_paging_state.h"

namespace xmmu::conformance {
namespace {

constexpr uint64_t kKernelL2Pfn = 19;  // PAE: in slot 3

struct Kind {
  const char* name;
  const char* machine;
  PagingMode mode;
};
constexpr std::array<Kind, HostileGuests::kKinds> kKindTable = {{
    {"FourLevel", "skylake-2017", PagingMode::k4Level},
    {"PaeOn64Bit", "skylake-2017", PagingMode::kPae},
    {"Pae", "xeon-2003", PagingMode::kPae},
    {"TwoLevel", "xeon-2003", PagingMode::k2Level},
}};

// A machine whose TLBs are small, to be looked through after each operation,
// but hold everything that these guests can have at a time.
MachineModel SmallMachine(const char* name) {
  MachineModel model = *FindMachine(name);
  model.tlb = TlbGeometry();
  model.tlb.instruction_l1[0] = {4, 0, kTlb4K | kTlbLarge};
  model.tlb.data_l1[0] = {8, 0, kTlb4K | kTlbLarge};
  model.tlb.data_l2[0] = {128, 0, kTlb4K | kTlbLarge};
  for (size_t level = 2; level <= 4; ++level) model.psc.level[level] = {16, 0};
  return model;
}

}  // namespace

uint8_t ByteSource::Next() {
  if (bytes_.empty()) return 0;
  const uint8_t byte = bytes_.front();
  bytes_ = bytes_.subspan(1);
  return byte;
}

HostileGuests::Progress& HostileGuests::Progress::operator+=(
    const Progress& other) {
  operations += other.operations;
  accepted += other.accepted;
  refused += other.refused;
  translated += other.translated;
  emulated += other.emulated;
  opened += other.opened;
  crashes += other.crashes;
  changes += other.changes;
  shared += other.shared;
  merged += other.merged;
  unshared += other.unshared;
  log_rounds += other.log_rounds;
  return *this;
}

const char* HostileGuests::KindName(uint8_t kind) {
  return kKindTable.at(kind).name;
}

PagingMode HostileGuests::KindMode(uint8_t kind) {
  return kKindTable.at(kind).mode;
}

bool HostileGuests::OpensTables(std::string_view policy) {
  constexpr std::string_view kOpening = "writable-page-tables";
  return policy == kOpening || FindPolicy(policy)->variant_of == kOpening;
}

HostileGuests::HostileGuests(uint8_t kind, std::string_view policy, bool shares,
                             LinearMap linear_map, bool logs)
    : HostileGuests(kind, FindPolicy(policy)->make, OpensTables(policy), shares,
                    linear_map, logs) {}

HostileGuests::HostileGuests(uint8_t kind, const PolicyFactory& make,
                             bool opens, bool shares, LinearMap linear_map,
                             bool logs)
    : model_(SmallMachine(kKindTable.at(kind).machine)),
      mode_(kKindTable.at(kind).mode),
      make_(make),
      opens_(opens),
      shares_(shares),
      logs_(logs),
      linear_map_(linear_map) {
  if (linear_map != LinearMap::kDefault) {
    model_.flush_filter = {.lines = 64, .address_spaces = 4, .enabled = true};
  }
  Start();
}

void HostileGuests::Start() {
  for (Guest& guest : guests_) guest = Guest();
  policy_.reset();
  host_ =
      std::make_unique<Host>(model_, HostOptions{.cpus = 2,
                                                 .timing = MemoryTiming::kFlat,
                                                 .linear_map = linear_map_});
  policy_ = make_(*host_);
  for (Guest& guest : guests_) Boot(guest);
}

void HostileGuests::PutEntry(Mfn table, int slot, Pte value) {
  host_->memory().WriteEntry(EntryAddress(mode_, AddressOf(table), slot),
                             EntryBytes(mode_), value.raw());
}

// One page table a level; below it, the first frames for writing and the
// tables for reading.
void HostileGuests::Boot(Guest& guest) {
  // An SMP guest may open less: where tables open, one guest is none.
  const bool single =
      (opens_ && &guest == &guests_[0]) || linear_map_ == LinearMap::kSharedL2;
  const DomainOptions options{
      .mode = mode_, .memory_frames = kFrames, .vcpus = single ? 1 : 2};
  guest.domain = host_->CreateDomain(options).value();
  const auto frame = [&guest](uint64_t pfn) {
    return guest.domain->p2m().MfnOf(Pfn(pfn));
  };
  const bool pae = mode_ == PagingMode::kPae;
  uint64_t pfn = kRootPfn;
  for (int level = LevelCount(mode_); level > 1; --level, --pfn) {
    const bool grants = pae && level == 3;
    PutEntry(frame(pfn), 0, Pte(frame(pfn - 1), grants ? 1 : 7));
  }
  if (pae) PutEntry(frame(kRootPfn), 3, Pte(frame(kKernelL2Pfn), 1));
  for (uint64_t slot = 0; slot < kPages; ++slot) {
    const bool table = slot >= kPages / 2;
    PutEntry(frame(pfn), static_cast<int>(slot),
             Pte(frame(table ? kRootPfn - (slot - kPages / 2) : slot),
                 table ? 0x25 : 0x67));
  }
  if (opens_) {
    PutEntry(frame(pfn + 1), 1, Pte(frame(kSecondL1Pfn), 7));
    PutEntry(frame(kSecondL1Pfn), 0, Pte(frame(0), 0x67));
  }
  const GuestAbi abi = policy_->Abi(mode_).value();
  for (uint32_t i = 0; i < guest.domain->vcpu_count(); ++i) {
    VcpuContext& context = guest.domain->vcpu(i);
    const Gfn root(frame(kRootPfn).value());
    XMMU_CHECK(policy_->StartVcpu(context, root, kInvalidGfn).ok());
    guest.vcpus.push_back(
        std::make_unique<Vcpu>(*host_, *policy_, context, abi));
  }
  guest.domain->direct().set_writable_pagetables(true);
}

std::string HostileGuests::Step(ByteSource& bytes) {
  const uint8_t who = bytes.Next();
  Guest& guest = guests_[who & 1];
  Vcpu& vcpu = *guest.vcpus[(who >> 1) % guest.vcpus.size()];
  vcpu.Resume();
  const Counters& counters = vcpu.cpu().counters;
  const Counters before = counters;
  const Holders holders = AllHolders();
  has_shared_ = false;
  if (logs_ && bytes.OneIn(6)) {
    Log(guest, bytes);
  } else {
    Act(vcpu, bytes);
  }
  const Counters since = counters - before;
  progress_.opened +=
      since[Counter::kPtwrActive] + since[Counter::kPtwrInactive];
  progress_.shared += since[Counter::kPagesShared];
  progress_.merged += since[Counter::kPagesMerged];
  progress_.unshared += since[Counter::kSharedFreed];
  ++progress_.operations;
  NoteTypes();
  std::string wrong = Judge();
  if (wrong.empty()) wrong = Learned(holders, guest.domain->id());
  // A domain that Xen has given up does nothing any more: begin anew.
  if (guest.domain->crashed()) {
    ++progress_.crashes;
    Start();
  }
  return wrong;
}

std::string HostileGuests::Judge() {
  const absl::Status audit = policy_->Audit();
  if (!audit.ok()) return std::string(audit.message());
  for (const Guest& guest : guests_) {
    if (guest.destination == nullptr) continue;
    std::string missed = guest.destination->Missed();
    if (!missed.empty()) return missed;
  }
  return FirstEscape(*host_);
}

HostileGuests::Holders HostileGuests::AllHolders() const {
  Holders holders;
  for (const auto& [mfn, frame] : host_->sharing().frames()) {
    for (const auto& [domain, mappings] : frame.mappings) {
      holders.insert({mfn, domain});
    }
  }
  return holders;
}

std::string HostileGuests::Learned(const Holders& before, DomainId who) const {
  for (const auto& [mfn, domain] : AllHolders()) {
    if (before.count({mfn, domain}) != 0) continue;
    if (has_shared_ && domain == who) continue;
    return "domain " + std::to_string(domain) + " has got shared frame " +
           std::to_string(mfn.value()) + " without the same content";
  }
  return "";
}

void HostileGuests::NoteTypes() {
  for (Guest& guest : guests_) {
    guest.types.resize(kFrames);
    for (uint64_t pfn = 0; pfn < kFrames; ++pfn) {
      const Mfn mfn = guest.domain->p2m().MfnOf(Pfn(pfn));
      if (mfn == kInvalidMfn) continue;
      const PageType type = host_->frames()[mfn].type;
      progress_.changes += type != guest.types[pfn] ? 1 : 0;
      guest.types[pfn] = type;
    }
  }
}

std::string RunHostileGuests(std::span<const uint8_t> bytes) {
  constexpr int kMaxOperations = 1000;
  ByteSource source(bytes);
  const uint8_t first = source.Next();
  HostileGuests guests(
      first % HostileGuests::kKinds,
      first < 128 ? "trap-and-emulate" : "writable-page-tables",
      (first & 64) != 0);
  for (int i = 0; i < kMaxOperations && !source.empty(); ++i) {
    const std::string wrong = guests.Step(source);
    if (!wrong.empty()) {
      return "after operation " + std::to_string(i) + ": " + wrong;
    }
  }
  return "";
}

}  // namespace xmmu::conformance
