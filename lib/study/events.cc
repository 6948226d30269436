#include "study/events.h"

#include <utility>

#include "xmmu/sim/guest_driver.h"

namespace xmmu {
namespace {

constexpr TaskId kFirst = GuestDriver::kFirstTask;
constexpr TaskId kSecond = kFirst + 1;
// This is fewer than any mode's L1 table holds.
constexpr uint64_t kPages = 128;
constexpr uint64_t kRounds = 16;

constexpr std::array<GuestEventEntry, kGuestEventCount> kEvents = {{
    {GuestEvent::kRefusedAccess, "refused-access",
     "a store to a page that is mapped read-only; the program goes on behind"},
    {GuestEvent::kDemandFault, "demand-fault",
     "the first store to a page, in a region whose L1 table is there"},
    {GuestEvent::kFirstWrite, "first-write",
     "a store to a page of a shared file that has only been read: sets D"},
    {GuestEvent::kCopyFault, "copy-fault",
     "a store of a parent's to a page that fork has made read-only"},
    {GuestEvent::kTableWrite, "table-write",
     "one entry made read-only and flushed: an mprotect less its system call"},
    {GuestEvent::kTableWrites, "table-writes",
     "the same, of 128 entries of one table, each"},
    {GuestEvent::kUnmap, "unmap", "a page unmapped, of 128 at a time"},
    {GuestEvent::kSwitch, "switch",
     "to the other one of two processes with 128 pages: the system call and "
     "one access"},
    {GuestEvent::kFork, "fork", "of a process with 128 pages"},
    {GuestEvent::kExit, "exit", "of a process with 128 pages of its own"},
}};

EventCost Each(uint64_t times, const Cost& cost) { return {cost, times}; }

EventCost RefusedAccess(GuestDriver& guest) {
  guest.Map(1);
  guest.Write(1);
  guest.Protect(1, kMapRead);
  guest.Write(1);
  return Each(kRounds, guest.Measure([&] {
    for (uint64_t i = 0; i < kRounds; ++i) guest.Write(1);
  }));
}

EventCost DemandFault(GuestDriver& guest) {
  guest.Map(kPages + 1);
  guest.Write(1);
  return Each(kPages, guest.Measure([&] { guest.Write(kPages, 1); }));
}

EventCost FirstWrite(GuestDriver& guest) {
  guest.Map(kPages, Backing::kFileShared);
  guest.Read(kPages);
  return Each(kPages, guest.Measure([&] { guest.Write(kPages); }));
}

EventCost CopyFault(GuestDriver& guest) {
  guest.Map(kPages);
  guest.Write(kPages);
  guest.Perform({.kind = GuestOpKind::kFork, .child = kSecond});
  return Each(kPages, guest.Measure([&] { guest.Write(kPages); }));
}

EventCost TableWrite(GuestDriver& guest) {
  guest.Map(kPages);
  guest.Write(kPages);
  const Cost empty = guest.Measure([&] {
    for (uint64_t i = 0; i < kRounds; ++i) guest.Syscall();
  });
  const Cost all = guest.Measure([&] {
    for (uint64_t i = 0; i < kRounds; ++i) guest.Protect(1, kMapRead, i);
  });
  return Each(kRounds, all - empty);
}

EventCost TableWrites(GuestDriver& guest) {
  guest.Map(kPages);
  guest.Write(kPages);
  const Cost empty = guest.Measure([&] { guest.Syscall(); });
  return Each(kPages,
              guest.Measure([&] { guest.Protect(kPages, kMapRead); }) - empty);
}

EventCost Unmap(GuestDriver& guest) {
  guest.Map(kPages);
  guest.Write(kPages);
  return Each(kPages, guest.Measure([&] { guest.Unmap(kPages); }));
}

EventCost Switch(GuestDriver& guest) {
  guest.Map(kPages);
  guest.Write(kPages);
  guest.Start(kSecond);
  guest.Map(kPages);
  guest.Write(kPages);
  const auto round_trip = [&] {
    for (const TaskId task : {kFirst, kSecond}) {
      guest.Act(task);
      guest.Write(1);
    }
  };
  round_trip();
  return Each(2 * kRounds, guest.Measure([&] {
    for (uint64_t i = 0; i < kRounds; ++i) round_trip();
  }));
}

EventCost Fork(GuestDriver& guest) {
  guest.Map(kPages);
  guest.Write(kPages);
  return Each(1, guest.Measure([&] {
    guest.Perform({.kind = GuestOpKind::kFork, .child = kSecond});
  }));
}

EventCost Exit(GuestDriver& guest) {
  guest.Start(kSecond);
  guest.Map(kPages);
  guest.Write(kPages);
  return Each(
      1, guest.Measure([&] { guest.Perform({.kind = GuestOpKind::kExit}); }));
}

// The actions, by GuestEvent.
constexpr std::array<EventCost (*)(GuestDriver&), kGuestEventCount> kMeasures =
    {RefusedAccess, DemandFault, FirstWrite, CopyFault, TableWrite,
     TableWrites,   Unmap,       Switch,     Fork,      Exit};

}  // namespace

std::span<const GuestEventEntry> GuestEvents() { return kEvents; }

absl::StatusOr<EventCost> MeasureEvent(GuestEvent event,
                                       const SimulatorOptions& options) {
  absl::StatusOr<GuestDriver> guest = GuestDriver::Create(options);
  if (!guest.ok()) return guest.status();
  EventCost cost = kMeasures.at(static_cast<size_t>(event))(*guest);
  if (!guest->status().ok()) return guest->status();
  return cost;
}

absl::StatusOr<EventCosts> MeasureEvents(const SimulatorOptions& options) {
  EventCosts costs;
  for (const GuestEventEntry& entry : kEvents) {
    absl::StatusOr<EventCost> cost = MeasureEvent(entry.event, options);
    if (!cost.ok()) return cost.status();
    costs.at(static_cast<size_t>(entry.event)) = *std::move(cost);
  }
  return costs;
}

}  // namespace xmmu
