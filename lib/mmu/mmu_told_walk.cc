// Walks that a clock's log is told of: which entries they load, and what they set
// in them.

#include "xmmu/base/span_log.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu {
namespace {

// What a walk starts from: the root, or the deepest entry that a paging-structure
// cache has (SDM Vol. 3A, "Using the Paging-Structure Caches to Translate Linear
// Addresses"). `level` is that of the table.
const char* StartName(int level, const PagingContext& context) {
  if (level == LevelCount(context.mode)) {
    const bool registers =
        context.mode == PagingMode::kPae && !context.pdptes_in_memory;
    return registers ? "PDPTE register" : "CR3";
  }
  constexpr const char* kCached[] = {"", "cached PDE", "cached PDPTE",
                                     "cached PML4E", "cached PML5E"};
  return kCached[level];
}

// The flags that the walk has set in an entry.
const char* SetName(Pte before, Pte after) {
  const uint64_t set = after.raw() & ~before.raw();
  const bool accessed = (set & pte::kAccessed) != 0;
  if ((set & pte::kDirty) != 0) return accessed ? "A and D" : "D";
  return accessed ? "A" : nullptr;
}

}  // namespace

// Entries are told behind the walk that has loaded them, in its order: a log has
// the loads before that, as they are charged.
void Mmu::WalkAndMore(const Access& access, const WalkStart& start,
                      WalkResult& walk) {
  if (clock_.overlaps()) {
    const Cycles begin = clock_.now();
    walker_.Walk(context_, access, start, walk);
    return clock_.LeaveToWalker(begin);
  }
  const WalkResult before = walker_.Probe(context_, access, start);
  Span span(clock_, Actor::kProcessor, "page walk");
  span.Hex("va", access.va.value())
      .Word("from", StartName(start.level, context_));
  walker_.Walk(context_, access, start, walk);
  for (size_t i = 0; i < walk.entries.size(); ++i) {
    const WalkEntry& used = walk.entries[i];
    Step step(clock_, Actor::kProcessor, "entry");
    step.Arg("level", used.level)
        .Hex("at", used.addr.value())
        .Hex("value", used.entry.raw());
    if (i >= before.entries.size()) continue;
    const char* const set = SetName(before.entries[i].entry, used.entry);
    if (set != nullptr) step.Word("sets", set);
  }
}

}  // namespace xmmu
