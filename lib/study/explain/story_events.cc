#include "study/explain/story_events.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "xmmu/machine/pte.h"
#include "xmmu/xen/hypercall.h"

namespace xmmu {
namespace {

constexpr TaskId kTeller = GuestDriver::kFirstTask;

Vcpu& VcpuOf(Scene& scene) { return scene.guest.simulator().guest().vcpu(0); }
const GuestAbi& AbiOf(Scene& scene) {
  return scene.guest.simulator().guest().abi();
}
absl::string_view PolicyOf(Scene& scene) {
  return Abs(scene.guest.simulator().policy().name());
}

// The first process has `pages` pages of its own, all written.
void OwnPages(GuestDriver& guest, uint64_t pages) {
  guest.Map(pages);
  guest.Write(pages);
}

// Starts a second process on the vCPU of the first one; on others, idle ones.
TaskId StartSecond(GuestDriver& guest) {
  const auto vcpus = static_cast<TaskId>(guest.options().vcpus);
  for (TaskId task = kTeller + 1; task <= kTeller + vcpus; ++task) {
    guest.Start(task);
  }
  return kTeller + vcpus;
}

// Goes to the second process and back, so that tables that are open or out of
// sync come back, as they do all the time in a guest that lives.
void GoAndComeBack(Scene& scene) {
  const TaskId second = StartSecond(scene.guest);
  for (const TaskId task : {second, kTeller, second, kTeller}) {
    scene.guest.Act(task);
    scene.guest.Syscall();
  }
}

// The kernel works on the entries of the process, which it has just looked at.
void EnterKernelAtEntry(Scene& scene) {
  OwnPages(scene.guest, scene.pages);
  GoAndComeBack(scene);
  scene.guest.Read(scene.pages);
  if (!scene.guest.status().ok()) return;
  VcpuOf(scene).SwitchMode(ModeSwitch::kSyscall);
  const GuestDriver::L1Entry entry = scene.guest.FindEntry();
  VcpuOf(scene).Load(entry.va, entry.bytes);
}

// --- Accesses.

void TouchOnePage(Scene& scene) {
  OwnPages(scene.guest, 1);
  scene.guest.Read(1);
}
void ReadOnePage(Scene& scene) { scene.guest.Read(1); }

// The entries for 4 KiB pages of the data TLB of one level.
uint64_t EntriesOf(const std::array<TlbArrayGeometry, 3>& arrays) {
  uint64_t entries = 0;
  for (const TlbArrayGeometry& array : arrays) {
    if ((array.page_sizes & kTlb4K) != 0) {
      entries = std::max<uint64_t>(entries, array.entries);
    }
  }
  return entries;
}

std::string AbsentWithoutL2(Scene& scene) {
  const MachineModel& machine = scene.guest.simulator().machine();
  if (EntriesOf(machine.tlb.data_l2) > 0) return "";
  return absl::StrCat(Abs(machine.name),
                      " has no second-level TLB: what its TLB does not hold is "
                      "walked, see load-miss");
}
// Twice as many pages as L1 holds push the first one out, whatever its ways are.
void PushOutOfL1(Scene& scene) {
  const uint64_t entries =
      EntriesOf(scene.guest.simulator().machine().tlb.data_l1);
  OwnPages(scene.guest, 1 + 2 * entries);
  scene.guest.Read(1 + 2 * entries);
}

void ForgetAll(Scene& scene) {
  TouchOnePage(scene);
  scene.guest.simulator().host().cpu(0).mmu.ForgetTranslations();
}
void MakeAllCold(Scene& scene) {
  TouchOnePage(scene);
  scene.guest.simulator().host().MakeCold();
}

// --- Faults.

void TouchRegion(Scene& scene) {
  scene.guest.Map(2);
  scene.guest.Write(1);
}
void WriteSecondPage(Scene& scene) { scene.guest.Write(1, 1); }

void ForkAndRead(Scene& scene) {
  OwnPages(scene.guest, 1);
  const auto child = static_cast<TaskId>(kTeller + 1);
  scene.guest.Perform({.kind = GuestOpKind::kFork, .child = child});
  scene.guest.Read(1);
}
void WriteOnePage(Scene& scene) { scene.guest.Write(1); }

// --- Changes of entries.

std::string AbsentWithoutStores(Scene& scene) {
  if (AbiOf(scene).stores_to_l1) return "";
  return absl::StrCat("a guest of ", PolicyOf(scene),
                      " does not store to page tables in use, which are mapped "
                      "read-only: it asks by hypercall, see mmu-update");
}
std::string AbsentWithoutHypercalls(Scene& scene) {
  if (AbiOf(scene).paravirtual) return "";
  return absl::StrCat("a guest of ", PolicyOf(scene),
                      " makes no hypercalls: it stores to its page tables, see "
                      "table-store");
}

// Bit 9 is software's, and Linux and Xen leave that of a user page alone
// (_PAGE_BIT_SOFTW1).
constexpr uint64_t kUnusedBit = uint64_t{1} << 9;

void StoreToEntry(Scene& scene) {
  const GuestDriver::L1Entry entry = scene.guest.FindEntry();
  VcpuOf(scene).Store(entry.va, entry.bytes, entry.value ^ kUnusedBit);
}
void StoreOnceToEntry(Scene& scene) {
  EnterKernelAtEntry(scene);
  if (scene.guest.status().ok()) StoreToEntry(scene);
}

void UpdateVaMapping(Scene& scene) {
  const GuestDriver::L1Entry entry = scene.guest.FindEntry();
  VcpuOf(scene).Hypercall(
      UpdateVaMappingCall{.va = GuestDriver::kRegion,
                          .value = entry.value & ~pte::kWritable,
                          .flush = {.scope = FlushScope::kPage}});
}
void UpdateEntries(Scene& scene) {
  std::vector<MmuUpdate> requests;
  for (uint64_t page = 0; page < scene.pages; ++page) {
    const GuestDriver::L1Entry entry = scene.guest.FindEntry(page);
    requests.push_back(
        {.entry = entry.at, .value = entry.value & ~pte::kWritable});
  }
  VcpuOf(scene).Hypercall(MmuUpdateCall{.requests = requests});
}

// --- Address spaces.

void OwnAllPages(Scene& scene) { OwnPages(scene.guest, scene.pages); }
void ForkAll(Scene& scene) {
  const auto child = static_cast<TaskId>(kTeller + 1);
  scene.guest.Perform({.kind = GuestOpKind::kFork, .child = child});
}

TaskId SecondOf(Scene& scene) {
  return kTeller + static_cast<TaskId>(scene.guest.options().vcpus);
}
void TwoProcesses(Scene& scene) {
  OwnPages(scene.guest, 1);
  StartSecond(scene.guest);
  OwnPages(scene.guest, 1);
  for (const TaskId task : {kTeller, SecondOf(scene), kTeller}) {
    scene.guest.Act(task);
    scene.guest.Read(1);
  }
}
void SwitchAndRead(Scene& scene) {
  scene.guest.Act(SecondOf(scene));
  scene.guest.Read(1);
}

// With several vCPUs a thread on each of them has read the pages. Their L1 table
// stays, as it has one page more.
void ShareWithThreads(Scene& scene) {
  OwnPages(scene.guest, scene.pages + 1);
  const auto vcpus = static_cast<TaskId>(scene.guest.options().vcpus);
  for (TaskId thread = kTeller + 1; thread < kTeller + vcpus; ++thread) {
    scene.guest.Act(kTeller);
    scene.guest.Perform({.kind = GuestOpKind::kClone, .child = thread});
    scene.guest.Act(thread);
    scene.guest.Read(scene.pages);
  }
  scene.guest.Act(kTeller);
  scene.guest.Read(scene.pages);
}
void UnmapAll(Scene& scene) { scene.guest.Unmap(scene.pages); }

// --- The table.

constexpr uint64_t kForkPages = 16;
constexpr uint64_t kUnmapPages = 4;

constexpr StoryScript kScripts[] = {
    {{"load-hit", "a load that an L1 TLB serves"},
     nullptr,
     &TouchOnePage,
     &ReadOnePage},
    {{"load-l2-hit", "a load that misses the L1 TLB and hits the second level"},
     &AbsentWithoutL2,
     &PushOutOfL1,
     &ReadOnePage},
    {{"load-miss",
      "a load that misses all TLBs and paging-structure caches; its entries "
      "are "
      "in the data caches"},
     nullptr,
     &ForgetAll,
     &ReadOnePage},
    {{"load-cold",
      "a load that misses everything; its entries come from memory"},
     nullptr,
     &MakeAllCold,
     &ReadOnePage},
    {{"demand-zero",
      "the first store to an anonymous page, in a region whose L1 table is "
      "there"},
     nullptr,
     &TouchRegion,
     &WriteSecondPage},
    {{"write-fault",
      "a parent's store to a page that fork has made read-only, and that it "
      "has read since: copy on write"},
     nullptr,
     &ForkAndRead,
     &WriteOnePage},
    {{"table-store",
      "the kernel's store to an entry of an L1 table in use, the first since "
      "the last change of CR3"},
     &AbsentWithoutStores,
     &EnterKernelAtEntry,
     &StoreToEntry},
    {{"table-store-again", "another one to the same table, right behind it"},
     &AbsentWithoutStores,
     &StoreOnceToEntry,
     &StoreToEntry},
    {{"update-va-mapping",
      "the hypercall that makes the entry of one page read-only and flushes it "
      "(INVLPG)"},
     &AbsentWithoutHypercalls,
     &EnterKernelAtEntry,
     &UpdateVaMapping},
    {{"mmu-update",
      "the hypercall that makes the entries of pages in one L1 table read-only",
      /*pages=*/1},
     &AbsentWithoutHypercalls,
     &EnterKernelAtEntry,
     &UpdateEntries},
    {{"fork", "the system call, of a process that has written its pages",
      kForkPages},
     nullptr,
     &OwnAllPages,
     &ForkAll},
    {{"cr3-switch",
      "a timer's interrupt, the switch to another process, and its first load"},
     nullptr,
     &TwoProcesses,
     &SwitchAndRead},
    {{"munmap",
      "the system call, of pages that a thread on each other vCPU has read: "
      "with a shootdown; their L1 table stays",
      kUnmapPages, /*vcpus=*/2},
     nullptr,
     &ShareWithThreads,
     &UnmapAll},
};

constexpr size_t kScriptCount = std::size(kScripts);

constexpr std::array<StoryEvent, kScriptCount> EventsOfScripts() {
  std::array<StoryEvent, kScriptCount> events{};
  for (size_t i = 0; i < kScriptCount; ++i) events[i] = kScripts[i].event;
  return events;
}

constexpr std::array<StoryEvent, kScriptCount> kStoryEvents = EventsOfScripts();

}  // namespace

std::span<const StoryEvent> StoryEvents() { return kStoryEvents; }

const StoryEvent* FindStoryEvent(std::string_view name) {
  const StoryScript* const script = FindStoryScript(name);
  return script == nullptr ? nullptr : &script->event;
}

const StoryScript* FindStoryScript(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kScripts), std::end(kScripts),
                   [&](const StoryScript& s) { return s.event.name == name; });
  return found == std::end(kScripts) ? nullptr : found;
}

}  // namespace xmmu
