// writable-page-tables: direct paging whose L1 tables the guest writes to with
// plain stores, many for one trap. Xen had it from July 2004 (5ecc8cea0e) to
// August 2006 (228f081e08), in four generations; the guest switches it on with
// vm_assist(writable_pagetables).
//
//   variant  months           an open table is       inactive  when closed
//   -g0      July 2004        an ordinary page       4         validated anew
//   -g1      to Sept. 2004    written in place       4         compared with a
//                                                              snapshot
//   -g2      Sept. 2004       a copy of Xen's        1         compared with
//                                                              the copy
//   -2.0     from Oct. 2004   written in place       1         as g1
//   (none)   Xen 3.0, to the checks of mid-2006: as 2.0, and for SMP guests
//
// A domain has slots, each a table at most: one for a table that is hooked in
// the address space in use, the active one, for what Xen has not validated must
// not be walked; the others for inactive tables, which are not. A slot's states
// with a snapshot (writable-page-tables, -2.0, -g1):
//
//                 write fault of the guest kernel on the
//                 read-only mapping of a validated L1
//   validated ------------------------------------------> open
//   (hooked, mapped    active: P off in its L2 entry,       | the guest stores
//    read-only)          all of the domain's CPUs flushed   | what it likes
//      ^               snapshot taken                       |
//      |               RW on in the entry that maps it      |
//      |                                                    v
//      +------------------------------------------------ closing
//          RW off, INVLPG; entries unlike the snapshot get references, those
//          in it lose theirs; active: P on again. If an entry is refused, the
//          rest becomes what it was in the snapshot, and the domain crashes.
//
// With a copy (-g2): instead of a snapshot a copy is made, and the entry that
// maps the table leads to that, with RW. To close it, the entry leads to the
// table again, read-only, INVLPG; entries of the copy unlike the table's get
// references, go into the table, and those that they replace lose theirs;
// active: P on again. If an entry is refused, the table stays as it is from
// there on, and the domain crashes. Whoever reads the table by a second mapping
// would see what is past; so the store is emulated if there is one (assumed).
// It is also assumed that an active table is unhooked here as well: else the
// processor would set A and D where the guest does not see them.
//
// As an ordinary page (-g0): of an active table, mod_l2_entry takes P off, and
// the reference to the table's type with it; a pin and any other reference are
// taken off (assumed; inactive ones stay hooked where they are). So the table
// is torn down, and all its entries lose their references. It becomes a
// writable page, as which its mapping gets RW; that change of type flushes the
// domain's CPUs. To close it, RW is taken off, and it gets references as an L1
// again, an active one by mod_l2_entry; that flushes once more and validates
// every entry. If an entry is refused, the table is emptied, and the domain
// crashes. The patent (Xen's authors, "writeable page tables") tells it so,
// with the queue: inactive tables are validated when the queue is full or
// something else closes them.
//
// What closes tables:
//
//   event                                                which
//   ---------------------------------------------------  ----------------------
//   an access of any vCPU to the addresses that it maps  the active table
//   a fault that wants a slot                            that slot's table; of
//                                                        inactive ones, all
//   nearly every hypercall (see DirectPaging), thus also
//   a change of CR3 and flushes                          all
//   a store that is emulated on an SMP guest             all
//   before 3.0: Xen schedules, that is, the CPU goes
//   over to another vCPU                                 all
//
// (Before 3.0 the state was the CPU's. As all is closed when the CPU changes
// hands, keeping it with the domain is the same.)
//
// Which stores are emulated, as trap-and-emulate does all:
//
//  * those to a table of unknown place, or one that maps itself;
//  * on an SMP guest, those to a table that anything else refers to;
//  * the one after a batch in which nothing was changed: the guest seems not to
//    get on with it (the next store opens again);
//  * before 3.0, every store of an SMP guest. Xen then had no SMP guests (in
//    spring 2005, when it had got some, it did just that for a few weeks), did
//    not know of batches that changed nothing, and killed a domain that stored
//    to a table of unknown place. Such a store is emulated here, as later,
//    since kernels of other times, which move L1 tables from one slot to
//    another, make them.
//
// While the domain's dirty pages are being logged nothing is open, and every
// store is emulated (xen/direct/direct_write_logging.h).
//
// Meanwhile the guest finds an L2 entry without P: Linux then took for empty
// only an entry of zero (pmd_present).
//
// What else closes tables in Xen does not exist here: grant tables, pausing a
// domain, tools that look at it, an LDT (the frames of a descriptor table close
// what is open where its type is in the way).
//
// Source: Xen 3.0.0, xen/arch/x86/mm.c, ptwr_do_page_fault, ptwr_flush; Xen
// 2.0, xen/arch/x86/memory.c and xen/common/schedule.c (__enter_scheduler); for
// the others the logs of Xen's history (5ecc8cea0e, 729eafec17, 5f1960350f,
// 5b2b563eee, 83bc72283c). That there were four inactive tables is known of g0;
// of g1 it is only known that there were several.

#include <memory>
#include <span>
#include <string_view>

#include "xmmu/policy/direct/paravirtual.h"
#include "xmmu/policy/policies.h"

namespace xmmu {
namespace {

constexpr PtwrModel kXen3;
constexpr PtwrModel kXen2 = {.closes_when_scheduling = true,
                             .opens_for_smp = false,
                             .emulates_after_none = false};
constexpr PtwrModel kRevalidating = {.method = PtwrMethod::kRevalidate,
                                     .inactive_tables = 4,
                                     .closes_when_scheduling = true,
                                     .opens_for_smp = false,
                                     .emulates_after_none = false};
constexpr PtwrModel kSeveralSnapshots = {.inactive_tables = 4,
                                         .closes_when_scheduling = true,
                                         .opens_for_smp = false,
                                         .emulates_after_none = false};
constexpr PtwrModel kCopying = {.method = PtwrMethod::kCopy,
                                .closes_when_scheduling = true,
                                .opens_for_smp = false,
                                .emulates_after_none = false};

class WritablePageTables final : public ParavirtualPolicy {
 public:
  WritablePageTables(Host& host, std::string_view name, const PtwrModel& model)
      : ParavirtualPolicy(host, /*stores_to_l1=*/true,
                          /*stores_trap=*/false),
        name_(name),
        model_(model) {}

  std::string_view name() const override { return name_; }

  void Deschedule(VcpuContext& vcpu) override {
    if (model_.closes_when_scheduling) paging().CloseTables(vcpu);
  }

  FaultOutcome HandleGuestFault(VcpuContext& vcpu, const PageFault& fault,
                                const Access& access,
                                MemoryOperand& operand) override {
    const FaultAction action = Handle(vcpu, fault, access, operand);
    if (action == FaultAction::kReflect || vcpu.domain->crashed()) {
      return Reflect(vcpu, fault);
    }
    vcpu.cpu->clock.Charge(CostEvent::kIret);
    return {action, {}};
  }

 private:
  // What is done about a fault; kReflect if it is none of Xen's business.
  FaultAction Handle(VcpuContext& vcpu, const PageFault& fault,
                     const Access& access, MemoryOperand& operand) {
    const bool handles = fault.vector == FaultVector::kPageFault &&
                         vcpu.domain->direct().writable_pagetables();
    if (!handles || vcpu.domain->crashed()) return FaultAction::kReflect;
    if (vcpu.domain->dirty_log().enabled()) {
      return paging().EmulatePteWrite(vcpu, fault, access, operand)
                 ? FaultAction::kEmulated
                 : FaultAction::kReflect;
    }
    if (paging().MeetsUnhooked(vcpu, access)) {
      paging().CloseTable(vcpu, PtwrSlot::kActive);
      return FaultAction::kRetry;
    }
    const bool may_be =
        vcpu.kernel_mode && fault.is_write() && !fault.not_present();
    if (!may_be) return FaultAction::kReflect;
    const TableWrite write = paging().FindTableWrite(vcpu, fault, access);
    switch (write.kind) {
      case TableWrite::Kind::kNotOurs:
        return FaultAction::kReflect;
      case TableWrite::Kind::kSpurious:
        return FaultAction::kRetry;
      case TableWrite::Kind::kOpen:
        if (Open(vcpu, write)) return FaultAction::kRetry;
        break;
      case TableWrite::Kind::kEmulate:
        break;
    }
    return paging().EmulatePteWrite(vcpu, fault, access, operand,
                                    /*holds_lock=*/true)
               ? FaultAction::kEmulated
               : FaultAction::kReflect;
  }

  // Opens the table of `write`. Returns false if the store is to be emulated
  // instead.
  bool Open(VcpuContext& vcpu, const TableWrite& write) {
    const bool smp = vcpu.domain->vcpu_count() > 1;
    if (smp && !(model_.opens_for_smp && write.sole_use)) {
      paging().CloseTables(vcpu);
      return false;
    }
    if (model_.method == PtwrMethod::kCopy && !write.sole_mapping) return false;
    const PtwrSlot slot = MakeRoom(vcpu, write);
    PtwrInfo& info = vcpu.domain->direct().ptwr(slot);
    if (model_.emulates_after_none && info.last_updates == 0) {
      info.last_updates = 1;
      return false;
    }
    paging().OpenTable(vcpu, write, slot, model_.method);
    return true;
  }

  // Returns a slot that the table can be opened in, having closed what was in
  // it.
  PtwrSlot MakeRoom(VcpuContext& vcpu, const TableWrite& write) {
    if (write.slot == PtwrSlot::kActive) {
      paging().CloseTable(vcpu, write.slot);
      return write.slot;
    }
    for (int i = 0; i < model_.inactive_tables; ++i) {
      const PtwrSlot slot = InactiveSlot(i);
      if (!vcpu.domain->direct().ptwr(slot).in_use()) return slot;
    }
    paging().CloseInactiveTables(vcpu);
    return InactiveSlot(0);
  }

  const std::string_view name_;
  const PtwrModel model_;
};

std::unique_ptr<Policy> MakeWritablePageTables(Host& host,
                                               std::string_view name,
                                               const PtwrModel& model) {
  return std::make_unique<WritablePageTables>(host, name, model);
}

}  // namespace

std::span<const PolicyEntry> WritablePageTablesRows() {
  static constexpr PolicyEntry kRows[] = {
      {"writable-page-tables",
       "direct paging; an L1 table is unhooked, written freely, revalidated",
       [](Host& host) {
         return MakeWritablePageTables(host, "writable-page-tables", kXen3);
       }},
      {"writable-page-tables-2.0",
       "as Xen 2.0 had it: closed when another vCPU gets the CPU",
       [](Host& host) {
         return MakeWritablePageTables(host, "writable-page-tables-2.0", kXen2);
       },
       "writable-page-tables"},
      {"writable-page-tables-g2",
       "Xen, September 2004: a copy is written, and compared with the table",
       [](Host& host) {
         return MakeWritablePageTables(host, "writable-page-tables-g2",
                                       kCopying);
       },
       "writable-page-tables"},
      {"writable-page-tables-g1",
       "Xen, August 2004: several tables of other address spaces at a time",
       [](Host& host) {
         return MakeWritablePageTables(host, "writable-page-tables-g1",
                                       kSeveralSnapshots);
       },
       "writable-page-tables"},
      {"writable-page-tables-g0",
       "Xen, July 2004: an open table is no table, and validated anew",
       [](Host& host) {
         return MakeWritablePageTables(host, "writable-page-tables-g0",
                                       kRevalidating);
       },
       "writable-page-tables"},
  };
  return kRows;
}

}  // namespace xmmu
