// Records what tasks see, and which of it depends on who comes first.

#include <algorithm>
#include <utility>

#include "guest/scheduler.h"

namespace xmmu {
namespace {

// Whether forks copy the memory according to the advice.
bool IsAboutForks(Advice advice) {
  return advice == Advice::kDontFork || advice == Advice::kDoFork ||
         advice == Advice::kWipeOnFork || advice == Advice::kKeepOnFork;
}

// Whether `op` changes which pages are mapped in its range, or their rights.
bool ChangesMapping(const GuestOp& op) {
  if (op.kind == GuestOpKind::kAdvise) return IsAboutForks(op.advice);
  return op.kind != GuestOpKind::kCopyIn && op.kind != GuestOpKind::kCopyOut;
}

}  // namespace

// Before that only parents that sleep in a vfork use the address space as well;
// afterwards whoever comes to use it is told as it begins.
void Scheduler::BeginThreads(Task& task) {
  AddressSpace& mm = *task.mm;
  mm.changed_by_several = true;
  if (!std::exchange(mm.threaded, true)) {
    mm.epoch = ++core_.epochs;
    if (mm.object == 0) {
      mm.object = SpaceObject(task.id, ++task.spaces_shared);
      ++threaded_spaces_;
      SightRacesOfUsers(task);
    }
    for (const Vma& vma : mm.vmas.All()) NoteShared(vma.backing, vma.file);
  }
}

void Scheduler::SightRacesOfUsers(Task& task) {
  for (Task* user = &task; user->mm == task.mm;) {
    SightRaces(*user);
    const auto parent = tasks_.find(user->vfork_parent);
    if (user->vfork_parent == 0 || parent == tasks_.end()) return;
    user = parent->second.get();
  }
}

void Scheduler::SightRaces(Task& task) {
  Sightings* const sightings = task.digest.sightings();
  if (sightings != nullptr) sightings->set_races(task.mm->object != 0);
}

// Whether a thread finds the file there when it stores depends on the others.
// So it is simply all of the file that several may write.
void Scheduler::NoteShared(Backing backing, const FileRef& file) {
  const bool shared =
      backing == Backing::kFileShared || backing == Backing::kSharedAnonymous;
  if (vcpus_.size() == 1 || !shared) return;
  writers_.AddRange(file->identity(), 0, ~uint64_t{0}, ObjectWriters::kSeveral);
}

// What has moved depends on whoever changed it at its old place.
void Scheduler::NoteChange(const Task& task, const GuestOp& op) {
  const AddressSpace& mm = *task.mm;
  if (vcpus_.size() == 1 || mm.object == 0) return;
  const auto note = [&](VirtAddr va, uint64_t length, TaskId by) {
    if (length == 0) return;
    const uint64_t first = va.value() >> kPageShift;
    const uint64_t last = (va.value() + length - 1) >> kPageShift;
    if (last < first) return;  // refused, as it wraps around
    const bool changes = mm.threaded && ChangesMapping(op);
    if (changes || by == ObjectWriters::kSeveral) {
      writers_.AddRange(mm.object, first, last + 1, by);
    }
    if (last > first) writers_.AddWhole(mm.object, first, last + 1, task.id);
  };
  if (op.kind != GuestOpKind::kRemap) {
    note(op.va, op.length, task.id);
  } else if (op.target == op.va) {
    note(op.va, std::max(op.length, op.new_length), task.id);
  } else {
    note(op.va, op.length, task.id);
    note(op.target, op.new_length, ObjectWriters::kSeveral);
  }
}

void Scheduler::NoteRefused(Task& task, AccessKind kind, VirtAddr va) {
  task.digest.Refused(va);
  Sightings* const sightings = task.digest.sightings();
  if (sightings == nullptr || !sightings->races()) return;
  sightings->Refused(*task.mm, va, kind != AccessKind::kWrite, writers_);
}

void Scheduler::NoteLeft(Task& task, AccessKind kind, VirtAddr va) {
  Sightings* const sightings = task.digest.sightings();
  if (sightings == nullptr || !sightings->races()) return;
  sightings->Missed(*task.mm, va, kind != AccessKind::kWrite, writers_);
}

void Scheduler::ForEachSightings(
    absl::FunctionRef<void(TaskId, const Sightings&)> visit) const {
  for (const auto& [id, gone] : sightings_of_the_gone_) visit(id, *gone);
  for (const auto& [id, task] : tasks_) {
    const Sightings* const seen = task->digest.sightings();
    if (seen != nullptr) visit(id, *seen);
  }
}

NotCompared Scheduler::not_compared() const {
  ObjectWriters writers = writers_;
  writers.Settle();
  NotCompared sum;
  std::vector<ObjectPage> pages;
  ForEachSightings([&](TaskId, const Sightings& seen) {
    sum.accesses += seen.CountNotCompared(writers, pages);
  });
  std::sort(pages.begin(), pages.end());
  const auto end = std::unique(pages.begin(), pages.end());
  sum.pages = static_cast<uint64_t>(end - pages.begin());
  if (vcpus_.size() > 1) sum.threaded_spaces = threaded_spaces_;
  return sum;
}

uint64_t Scheduler::digest() const {
  // Sums do not depend on the order of tasks. Without races the whole digests
  // of the tasks count; with races only what is the same under every policy.
  uint64_t sum = digest_of_the_gone_;
  for (const auto& [id, task] : tasks_) {
    sum += MixHash(id, task->digest.value());
  }
  ObjectWriters writers = writers_;
  writers.Settle();
  bool races = false;
  uint64_t defined = 0;
  ForEachSightings([&](TaskId id, const Sightings& seen) {
    races |= seen.Races(writers);
    defined += MixHash(id, seen.Value(writers));
  });
  return races ? defined : sum;
}

}  // namespace xmmu
