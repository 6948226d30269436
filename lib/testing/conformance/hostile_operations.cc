// What a hostile guest's kernel may do, one operation after the other.

#include <array>
#include <span>
#include <vector>

#include "testing/conformance/hostile_guests.h"
#include "xen/layout.h"
#include "xmmu/base/check.h"
#include "xmmu/machine/pte.h"

namespace xmmu::conformance {

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

void HostileGuests::Log(Guest& guest, ByteSource& bytes) {
  WriteLogging& log = *policy_->WriteLoggingOf(*guest.domain).value();
  Cpu& cpu = host_->cpu(static_cast<uint32_t>(bytes.Below(2)));
  if (guest.destination == nullptr) {
    if (!log.Start(cpu).ok()) return;
    guest.destination = std::make_unique<Destination>(*host_, *guest.domain);
    return;
  }
  const DirtyBitmap pages = log.Fetch(cpu, DirtyFetch::kClean).value();
  XMMU_CHECK(guest.destination->Receive(pages).empty());
  ++progress_.log_rounds;
  if (!bytes.OneIn(4)) return;
  guest.destination.reset();
  XMMU_CHECK(log.Stop(cpu).ok());
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

}  // namespace xmmu::conformance
