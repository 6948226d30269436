#include "xmmu/testing/test_guest.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "testing/conformance/op_text.h"
#include "xmmu/base/check.h"

namespace xmmu::testing {
namespace {

// Where Map() begins: clear of the null page and below every kernel (assumed:
// any address would do).
constexpr VirtAddr kFirstMapping{0x10000000};
// Mappings begin at multiples of 4 MiB, so that none shares an L1 table with
// another in any paging mode.
constexpr uint64_t kMappingAlignment = uint64_t{4} << 20;
// The guest that replaces an impossible one has this much memory.
constexpr uint64_t kSmallMemory = uint64_t{16} << 20;

constexpr char kExpectHint[] = "; ExpectSignal() takes work that is to get one";

using conformance::NameOf;
using conformance::RightsText;

constexpr uint8_t kAllRights = kMapRead | kMapWrite | kMapExecute;

// A count as the test has written it, which may be less than zero.
std::string Pages(uint64_t pages) {
  return absl::StrCat(static_cast<int64_t>(pages), " pages");
}

bool IsAccess(GuestOpKind kind) { return kind <= GuestOpKind::kModify; }

bool IsFork(GuestOpKind kind) {
  return kind == GuestOpKind::kFork || kind == GuestOpKind::kVfork;
}

// What is wrong with an operation, beyond what the kernel says of it; nothing
// if all is well.
std::string Complaint(const GuestOp& op) {
  if (IsAccess(op.kind)) {
    if (op.length < 1 || op.length > kPageSize) {
      return absl::StrFormat("a %s of %d bytes: want 1 to %d", NameOf(op.kind),
                             static_cast<int64_t>(op.length), kPageSize);
    }
    if (op.va.value() + (op.length - 1) < op.va.value()) {
      return absl::StrFormat("a %s of %d bytes at 0x%x: beyond all addresses",
                             NameOf(op.kind), op.length, op.va.value());
    }
  }
  if (IsFork(op.kind) && op.child == 0) {
    return "fork: a child's number is not 0, which stands for any child";
  }
  if ((op.rights & ~kAllRights) != 0) {
    return absl::StrFormat("rights 0x%x: want MapRights, at most 0x%x",
                           op.rights, kAllRights);
  }
  if (op.backing > Backing::kSharedAnonymous) {
    return absl::StrFormat("a backing %d: there is none of this number",
                           static_cast<int>(op.backing));
  }
  return "";
}

// A guest of `options` with its first process.
absl::StatusOr<GuestDriver> CreateDriver(const SimulatorOptions& options) {
  if (options.migration.wanted()) {
    return absl::InvalidArgumentError(
        "a migration: Simulator::Run carries it out, a TestGuest does not");
  }
  if (options.region != RegionOptions()) {
    return absl::InvalidArgumentError(
        "a region: Simulator::Run measures it, a TestGuest does not");
  }
  return GuestDriver::Create(options);
}

// `created`, or a guest that can always be, in its place.
GuestDriver OrStandIn(absl::StatusOr<GuestDriver>& created) {
  if (created.ok()) return *std::move(created);
  absl::StatusOr<GuestDriver> driver =
      GuestDriver::Create({.guest_memory_bytes = kSmallMemory});
  XMMU_CHECK(driver.ok());
  return *std::move(driver);
}

}  // namespace

TestGuest::TestGuest(const SimulatorOptions& options, SourceLocation where)
    : TestGuest(FromDriver(), CreateDriver(options), where) {}

TestGuest::TestGuest(FromDriver, absl::StatusOr<GuestDriver> created,
                     const SourceLocation& where)
    : driver_(OrStandIn(created)),
      last_task_(GuestDriver::kFirstTask),
      next_va_(kFirstMapping) {
  FailUnlessOk(created.status(), "TestGuest", where);
}

void TestGuest::Fail(const std::string& why, const SourceLocation& where) {
  if (failed_) return;
  failed_ = true;
  internal::FailAt(where, why);
}

void TestGuest::FailUnlessOk(const absl::Status& status,
                             const std::string& what,
                             const SourceLocation& where) {
  if (!status.ok()) Fail(absl::StrCat(what, ": ", status.message()), where);
}

bool TestGuest::GotUnexpectedSignal() {
  uint64_t signals = 0;
  Host& host = simulator().host();
  for (uint32_t i = 0; i < host.cpu_count(); ++i) {
    signals += host.cpu(i).counters[Counter::kSignals];
  }
  const uint64_t since = signals - std::exchange(signals_seen_, signals);
  const uint64_t expected = std::min(since, signals_to_come_);
  signals_to_come_ -= expected;
  return since != expected;
}

void TestGuest::CheckSignals(const char* when, const SourceLocation& where) {
  if (!GotUnexpectedSignal()) return;
  Fail(absl::StrCat("the program got a signal ", when, kExpectHint), where);
}

void TestGuest::CheckNoneLeft(uint64_t times, const SourceLocation& where) {
  if (signals_to_come_ == 0) return;
  Fail(absl::StrCat("ExpectSignal: ", times - signals_to_come_,
                    " accesses got a signal, expected ", times),
       where);
}

bool TestGuest::CanAct(const char* what, const SourceLocation& where) {
  if (failed_) return false;
  CheckSignals("by what was done without this TestGuest", where);
  if (!failed_ && !kernel().RootsOf(task()).has_value()) {
    Fail(absl::StrCat(what, ": process ", task(),
                      " has ended: Switch() or Start() first"),
         where);
  }
  return !failed_;
}

bool TestGuest::CanRun(bool callable, const char* what,
                       const SourceLocation& where) {
  if (failed_) return false;
  CheckSignals("by what was done without this TestGuest", where);
  if (!callable) {
    Fail(absl::StrCat(what, ": there is no work, the function is null"), where);
  }
  return !failed_;
}

TaskId TestGuest::Start(SourceLocation where) {
  if (failed_) return task();
  driver_.Start(++last_task_);
  FailUnlessOk(driver_.status(), "Start", where);
  return task();
}

TaskId TestGuest::Fork(SourceLocation where) {
  if (!CanAct("Fork", where)) return task();
  const TaskId child = last_task_ + 1;
  Perform({.kind = GuestOpKind::kFork, .child = child}, where);
  return child;
}

void TestGuest::Switch(TaskId task, SourceLocation where) {
  if (failed_) return;
  if (!kernel().RootsOf(task).has_value()) {
    return Fail(
        absl::StrCat("Switch: there is no process ", task, ", or no more"),
        where);
  }
  driver_.Act(task);
}

void TestGuest::Exit(SourceLocation where) {
  if (CanAct("Exit", where)) Perform({.kind = GuestOpKind::kExit}, where);
}

VirtAddr TestGuest::Map(uint64_t pages, Backing backing, SourceLocation where) {
  const VirtAddr va = next_va_;
  if (!CanAct("Map", where)) return va;
  const uint64_t most =
      (~uint64_t{0} - va.value() - kMappingAlignment) / kPageSize;
  if (pages < 1 || pages > most) {
    Fail(absl::StrCat("Map: ", Pages(pages),
                      ": want at least 1, and what a "
                      "program has room for"),
         where);
    return va;
  }
  const uint64_t bytes = pages * kPageSize;
  Perform({.kind = GuestOpKind::kMap,
           .rights = kMapRead | kMapWrite,
           .backing = backing,
           .va = va,
           .length = bytes},
          where);
  if (failed_) return va;
  next_va_ +=
      (bytes + kMappingAlignment - 1) / kMappingAlignment * kMappingAlignment;
  return va;
}

bool TestGuest::AreMapped(const char* what, VirtAddr va, uint64_t pages,
                          const SourceLocation& where) {
  if (!CanAct(what, where)) return false;
  if (pages < 1 || PageOffset(va) != 0) {
    Fail(absl::StrFormat("%s: %s at 0x%x: want at least one, from the start of "
                         "a page on",
                         what, Pages(pages), va.value()),
         where);
    return false;
  }
  for (uint64_t i = 0; i < pages; ++i) {
    const VirtAddr page = va + i * kPageSize;
    if (kernel().RightsAt(task(), page).has_value()) continue;
    Fail(absl::StrFormat("%s: %s at 0x%x: process %d has nothing mapped at "
                         "0x%x",
                         what, Pages(pages), va.value(), task(), page.value()),
         where);
    return false;
  }
  return true;
}

void TestGuest::Unmap(VirtAddr va, uint64_t pages, SourceLocation where) {
  if (!AreMapped("Unmap", va, pages, where)) return;
  Perform({.kind = GuestOpKind::kUnmap, .va = va, .length = pages * kPageSize},
          where);
}

void TestGuest::Protect(VirtAddr va, uint64_t pages, uint8_t rights,
                        SourceLocation where) {
  if (!AreMapped("Protect", va, pages, where)) return;
  Perform({.kind = GuestOpKind::kProtect,
           .rights = rights,
           .va = va,
           .length = pages * kPageSize},
          where);
}

void TestGuest::Read(VirtAddr va, uint64_t pages, SourceLocation where) {
  Touch(GuestOpKind::kLoad, va, pages, where);
}

void TestGuest::Write(VirtAddr va, uint64_t pages, SourceLocation where) {
  Touch(GuestOpKind::kStore, va, pages, where);
}

void TestGuest::Touch(GuestOpKind kind, VirtAddr va, uint64_t pages,
                      const SourceLocation& where) {
  if (failed_) return;
  if (pages < 1 || pages - 1 > (~uint64_t{0} - va.value()) / kPageSize) {
    return Fail(absl::StrFormat("a %s of each of %s at 0x%x: want at least "
                                "one, and no more than there are",
                                NameOf(kind), Pages(pages), va.value()),
                where);
  }
  for (uint64_t i = 0; i < pages && !failed_; ++i) {
    Perform({.kind = kind, .va = va + i * kPageSize, .length = 4}, where);
  }
}

void TestGuest::Syscall(SourceLocation where) {
  Perform({.kind = GuestOpKind::kSyscall}, where);
}

std::string TestGuest::SignalReason(const GuestOp& op) {
  const GuestKernel& guest = simulator().guest();
  // The page that has fewer rights, of two that it lies in.
  VirtAddr va = op.va;
  std::optional<uint8_t> rights = guest.RightsAt(task(), va);
  const VirtAddr end = op.va + (op.length - 1);
  if (PageBase(end) != PageBase(va) && rights.has_value()) {
    const std::optional<uint8_t> other = guest.RightsAt(task(), PageBase(end));
    if (!other.has_value() || *other < *rights) {
      va = PageBase(end);
      rights = other;
    }
  }
  std::string reason = absl::StrFormat(
      "a %s of process %d at 0x%x gets a signal: ", NameOf(op.kind), task(),
      op.va.value());
  if (rights.has_value()) {
    absl::StrAppendFormat(&reason, "0x%x is mapped %s", va.value(),
                          RightsText(*rights));
  } else {
    absl::StrAppendFormat(&reason, "nothing is mapped at 0x%x", va.value());
  }
  return reason + kExpectHint;
}

void TestGuest::Perform(const GuestOp& op, SourceLocation where) {
  if (!CanAct("Perform", where)) return;
  const std::string complaint = Complaint(op);
  if (!complaint.empty()) return Fail(complaint, where);
  if (IsFork(op.kind)) last_task_ = std::max(last_task_, op.child);
  driver_.Perform(op);
  FailUnlessOk(driver_.status(), std::string(NameOf(op.kind)), where);
  if (GotUnexpectedSignal()) Fail(SignalReason(op), where);
}

void TestGuest::MakeCold(SourceLocation where) {
  if (failed_) return;
  CheckSignals("by what was done without this TestGuest", where);
  simulator().host().MakeCold();
}

}  // namespace xmmu::testing
