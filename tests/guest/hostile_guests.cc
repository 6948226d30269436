#include "guest/hostile_guests.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "guest/hardware_view.h"
#include "xmmu/base/check.h"
#include "xmmu/machine/pte.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/layout.h"

namespace xmmu {
namespace {

constexpr uint64_t kFrames = 24;       // of a domain
constexpr uint64_t kPages = 12;        // slots of an L1 in play
constexpr uint64_t kUpperSlots = 3;    // slots of other tables in play
constexpr uint64_t kRootPfn = 23;      // boot tables, from the root down
constexpr uint64_t kKernelL2Pfn = 19;  // PAE: in slot 3
// With writable page tables: an L1 at the second L2 slot, mapped by the first.
constexpr uint64_t kSecondL1Pfn = 18;
constexpr uint64_t kSecondL1Page = kPages / 2 + kRootPfn - kSecondL1Pfn;

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
  return *this;
}

const char* HostileGuests::KindName(uint8_t kind) {
  return kKindTable.at(kind).name;
}

HostileGuests::HostileGuests(uint8_t kind, std::string_view policy, bool shares)
    : model_(SmallMachine(kKindTable.at(kind).machine)),
      mode_(kKindTable.at(kind).mode),
      policy_name_(policy),
      opens_(policy == "writable-page-tables"),
      shares_(shares) {
  Start();
}

void HostileGuests::Start() {
  for (Guest& guest : guests_) guest = Guest();
  policy_.reset();
  host_ = std::make_unique<Host>(
      model_, HostOptions{.cpus = 2, .timing = MemoryTiming::kFlat});
  policy_ = FindPolicy(policy_name_)->make(*host_);
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
  const bool single = opens_ && &guest == &guests_[0];
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
  guest.domain->set_writable_pagetables(true);
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
  Act(vcpu, bytes);
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

void HostileGuests::Act(Vcpu& vcpu, ByteSource& bytes) {
  if (opens_ && bytes.OneIn(2)) return Access(vcpu, bytes);
  if (shares_ && bytes.OneIn(5)) return Share(vcpu, bytes);
  switch (bytes.Below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return UpdateTables(vcpu, bytes);
    case 4:
    case 5:
    case 6:
      return Extended(vcpu, bytes);
    case 7:
    case 8:
      return UpdateVa(vcpu, bytes);
    case 9:
      return MemoryOp(vcpu, bytes);
    case 10:
      return Multicall(vcpu, bytes);
    case 11:
      return SwitchMode(vcpu, bytes);
    default:
      return Access(vcpu, bytes);
  }
}

void HostileGuests::Share(Vcpu& vcpu, ByteSource& bytes) {
  std::vector<VirtAddr> mappings;
  for (uint64_t n = 1 + bytes.Below(3); n > 0; --n) {
    mappings.push_back(bytes.OneIn(3)
                           ? AnyAddress(bytes)
                           : VirtAddr(bytes.Below(kPages) << kPageShift));
  }
  has_shared_ = true;
  const MakeRoAndShareCall call{.mappings = mappings};
  if (!bytes.OneIn(4)) return Call(vcpu, call);
  const UpdateVaMappingCall update_va{
      .va = AnyAddress(bytes), .value = AnyEntry(vcpu.domain(), bytes).raw()};
  const std::array<Subcall, 2> calls = {update_va, call};
  Call(vcpu, MulticallCall{.calls = calls});
}

// Frames of the own domain, of the other one, of Xen, of nobody.
Mfn HostileGuests::AnyFrame(const Domain& domain, ByteSource& bytes) const {
  const auto& shared = host_->sharing().frames();
  if (shares_ && !shared.empty() && bytes.OneIn(4)) {
    const auto index =
        static_cast<std::ptrdiff_t>(bytes.Next() % shared.size());
    return std::next(shared.begin(), index)->first;
  }
  const uint8_t which = bytes.Next();
  if (which < 224) return domain.p2m().MfnOf(Pfn(which % kFrames));
  if (which < 240) return domain.p2m().MfnOf(Pfn(kRootPfn));
  const Domain& other = *guests_[guests_[0].domain == &domain ? 1 : 0].domain;
  if (which < 252) return other.p2m().MfnOf(Pfn(which % kFrames));
  return which < 254 ? Mfn(which) : Mfn((uint64_t{1} << 40) - which);
}

Pte HostileGuests::AnyEntry(const Domain& domain, ByteSource& bytes) const {
  static constexpr uint64_t kNx = pte::kNoExecute;
  const uint64_t flags = bytes.Pick<uint64_t>(
      {0x67, 0x67, 0x67, 0x7,  0x7,   0x63, 0x25, 0x25, 0x5,        0x65,  0x1,
       0x1,  0x3,  0,    0x60, 0x167, 0x77, 0x6f, 0xe7, 0x25 | kNx, 0x1e07});
  const uint64_t mask =
      EntryBytes(mode_) == 8 ? ~uint64_t{0} : uint64_t{0xffffffff};
  return Pte(Pte(AnyFrame(domain, bytes), flags).raw() & mask);
}

int HostileGuests::AnySlot(ByteSource& bytes) const {
  const uint8_t which = bytes.Next();
  if (which < 240) return which % kPages;
  const XenSlots xen = XenSlotsOf(mode_);
  return std::array{xen.first, xen.last, xen.first - 1, 3}.at(which % 4);
}

VirtAddr HostileGuests::AnyAddress(ByteSource& bytes) const {
  const uint8_t upper = bytes.Next();
  if (upper == 255) return HypervisorStart(mode_);
  uint64_t va = bytes.Below(kPages) << kPageShift;
  uint64_t rest = upper < 128 ? 0 : upper;
  for (int level = 2; level <= LevelCount(mode_); ++level) {
    va |= rest % kUpperSlots << LevelShift(mode_, level);
    rest /= kUpperSlots;
  }
  return VirtAddr(va);
}

DomainId HostileGuests::AnyOwner(const Domain& domain,
                                 ByteSource& bytes) const {
  const uint8_t which = bytes.Next();
  if (which < 240) return kDomSelf;
  return std::array{kDomIo, kDomXen, DomainId{77}, domain.id()}.at(which % 4);
}

void HostileGuests::Call(Vcpu& vcpu, const Hypercall& call) {
  // A 64-bit guest's programs call their kernel, not Xen.
  if (!vcpu.context().kernel_mode) vcpu.SwitchMode(ModeSwitch::kSyscall);
  const bool ok = vcpu.Hypercall(call).status.ok();
  ++(ok ? progress_.accepted : progress_.refused);
}

MmuUpdate HostileGuests::AnyUpdate(const Domain& domain,
                                   ByteSource& bytes) const {
  const Mfn table = AnyFrame(domain, bytes);
  const MachineAddr entry =
      EntryAddress(mode_, AddressOf(table), AnySlot(bytes));
  const Pte value = AnyEntry(domain, bytes);
  const uint8_t command = bytes.Next();
  return {entry, value.raw(),
          static_cast<MmuUpdateCommand>(command < 200 ? 0 : command % 5)};
}

void HostileGuests::UpdateTables(Vcpu& vcpu, ByteSource& bytes) {
  std::vector<MmuUpdate> requests;
  for (uint64_t n = 1 + bytes.Below(3); n > 0; --n) {
    requests.push_back(AnyUpdate(vcpu.domain(), bytes));
  }
  const DomainId owner = AnyOwner(vcpu.domain(), bytes);
  Call(vcpu, MmuUpdateCall{.requests = requests, .page_owner = owner});
}

MmuextOp HostileGuests::AnyOp(const Domain& domain, ByteSource& bytes) const {
  const auto top = static_cast<uint8_t>(MmuextCommand::kPinL1);
  const auto levels = static_cast<uint64_t>(LevelCount(mode_));
  const uint8_t which = bytes.Next();
  MmuextCommand command = MmuextCommand::kUnpin;
  if (which < 100) {
    command = static_cast<MmuextCommand>(top + which % levels);
  } else if (which < 150) {
    command = MmuextCommand::kNewBaseptr;
  } else if (which >= 200) {
    command = static_cast<MmuextCommand>(
        which % (static_cast<uint64_t>(MmuextCommand::kUnknown) + 1));
  }
  MmuextOp op{.command = command};
  op.mfn = AnyFrame(domain, bytes);
  if (command == MmuextCommand::kNewBaseptr && !bytes.OneIn(3)) {
    op.mfn = domain.p2m().MfnOf(Pfn(kRootPfn));
  }
  if (command == MmuextCommand::kCopyPage) op.source = AnyFrame(domain, bytes);
  if (which >= 200) {
    op.va = AnyAddress(bytes);
    op.vcpus = bytes.Below(4);
  }
  return op;
}

void HostileGuests::Extended(Vcpu& vcpu, ByteSource& bytes) {
  std::vector<MmuextOp> ops;
  for (uint64_t n = 1 + bytes.Below(3); n > 0; --n) {
    ops.push_back(AnyOp(vcpu.domain(), bytes));
  }
  const DomainId owner = AnyOwner(vcpu.domain(), bytes);
  Call(vcpu, MmuextCall{.ops = ops, .owner = owner});
}

void HostileGuests::UpdateVa(Vcpu& vcpu, ByteSource& bytes) {
  UpdateVaMappingCall call{.va = AnyAddress(bytes)};
  call.value = AnyEntry(vcpu.domain(), bytes).raw();
  call.page_owner = AnyOwner(vcpu.domain(), bytes);
  call.flush.scope = bytes.Pick(
      {FlushScope::kNone, FlushScope::kPage, FlushScope::kNonGlobal});
  call.flush.all_vcpus = bytes.OneIn(2);
  call.flush.vcpus = bytes.Below(4);
  Call(vcpu, call);
}

void HostileGuests::MemoryOp(Vcpu& vcpu, ByteSource& bytes) {
  const uint64_t which = bytes.Below(4);
  const std::array frames = {AnyFrame(vcpu.domain(), bytes),
                             AnyFrame(vcpu.domain(), bytes)};
  const std::span<const Mfn> some(frames.data(), bytes.Below(3));
  if (which == 0) return Call(vcpu, DecreaseReservationCall{.frames = some});
  if (which == 1) return Call(vcpu, SetGdtCall{.frames = some});
  const std::array pfns = {Pfn(bytes.Below(kFrames)),
                           Pfn(bytes.Below(kFrames + 1))};
  Call(vcpu, PopulatePhysmapCall{.pfns = pfns});
}

void HostileGuests::Multicall(Vcpu& vcpu, ByteSource& bytes) {
  const std::array updates = {AnyUpdate(vcpu.domain(), bytes)};
  const std::array ops = {AnyOp(vcpu.domain(), bytes)};
  const UpdateVaMappingCall update_va{
      .va = AnyAddress(bytes), .value = AnyEntry(vcpu.domain(), bytes).raw()};
  const std::array<Subcall, 3> calls = {MmuUpdateCall{.requests = updates},
                                        MmuextCall{.ops = ops}, update_va};
  Call(vcpu, MulticallCall{.calls = calls});
}

void HostileGuests::SwitchMode(Vcpu& vcpu, ByteSource& bytes) {
  const bool in_kernel = vcpu.context().kernel_mode;
  if (in_kernel && bytes.OneIn(4)) {
    const Mfn root = AnyFrame(vcpu.domain(), bytes);
    (void)vcpu.LoadCr3(Gfn(root.value()));
    return;
  }
  if (in_kernel && bytes.OneIn(4)) {
    return vcpu.FlushTlb(bytes.Below(4), TlbFlush::Page(AnyAddress(bytes)));
  }
  vcpu.SwitchMode(
      in_kernel ? bytes.Pick({ModeSwitch::kSysret, ModeSwitch::kFaultReturn})
                : bytes.Pick({ModeSwitch::kSyscall, ModeSwitch::kInterrupt}));
}

// A load or store at most one entry wide; stores mostly of what may be one.
void HostileGuests::Access(Vcpu& vcpu, ByteSource& bytes) {
  const auto entry = static_cast<uint64_t>(EntryBytes(mode_));
  MemoryOperand operand{
      .kind = bytes.Pick({OperandKind::kStore, OperandKind::kStore,
                          OperandKind::kStore, OperandKind::kLoad,
                          OperandKind::kXchg, OperandKind::kCmpxchg,
                          OperandKind::kOr, OperandKind::kAnd})};
  const uint8_t size = bytes.Next();
  operand.size = static_cast<uint8_t>(size < 160 ? entry : size % 2 + 1);
  if (size >= 160 && size < 220) operand.size = 4;
  const uint64_t offset =
      bytes.Below(kPages) * entry + (bytes.OneIn(2) ? entry - operand.size : 0);
  const uint64_t shift = offset % entry * 8;
  VirtAddr va = AnyAddress(bytes) + offset;
  if (opens_ && bytes.OneIn(2)) {
    va = VirtAddr((kSecondL1Page << kPageShift) + offset);
  }
  operand.value =
      AnyEntry(vcpu.domain(), bytes).raw() >> shift & operand.mask();
  if (operand.kind == OperandKind::kCmpxchg && bytes.OneIn(2)) {
    MemoryOperand load{.kind = OperandKind::kLoad, .size = operand.size};
    const bool user = !vcpu.context().kernel_mode;
    if (vcpu.Execute(va, user, load).has_value()) return;
    operand.expected = load.seen;
  }
  const uint64_t before = vcpu.cpu().counters[Counter::kPtwrEmulations];
  const bool user = !vcpu.context().kernel_mode;
  if (vcpu.Execute(va, user, operand).has_value()) return;
  ++progress_.translated;
  progress_.emulated += vcpu.cpu().counters[Counter::kPtwrEmulations] - before;
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

}  // namespace xmmu
