// Keeps the recorded order of the threads of a process around changes of its
// mappings.

#include "workload/qemu/process_reader.h"

namespace xmmu {

// Who awaits the last change has awaited all before it, as whoever made it did.
absl::Status ProcessReader::BeforeActing(Thread& thread) {
  if (thread.seen == changes_) return absl::OkStatus();
  thread.seen = changes_;
  if (change_.task == thread.task) return absl::OkStatus();
  return Await(change_);
}

absl::Status ProcessReader::Await(Point point) {
  return accesses_.Append({.kind = GuestOpKind::kAwait,
                           .length = point.posts,
                           .child = point.task});
}

absl::Status ProcessReader::AwaitOthers(Thread& thread) {
  absl::Status status;
  for (const auto& other : threads_) {
    if (other.get() == &thread || !other->acted || other->ended) continue;
    other->acted = false;
    ++other->posts;
    status.Update(
        accesses_.AppendTo(other->task, {.kind = GuestOpKind::kPost}));
    status.Update(Await({other->task, other->posts}));
  }
  for (const Point& point : left_) status.Update(Await(point));
  left_.clear();
  return status;
}

absl::Status ProcessReader::PostChange(Thread& thread) {
  ++thread.posts;
  thread.acted = false;
  thread.seen = ++changes_;
  change_ = {thread.task, thread.posts};
  return accesses_.Append({.kind = GuestOpKind::kPost});
}

}  // namespace xmmu
