#ifndef XMMU_LIB_STUDY_EXPLAIN_EXPLAIN_FIELDS_H_
#define XMMU_LIB_STUDY_EXPLAIN_EXPLAIN_FIELDS_H_

// What an explanation shows to programs: the table of its fields.
//
// Any thread.

#include <array>
#include <string>

#include "report/field_table.h"
#include "xmmu/study/explain.h"

namespace xmmu {

// "4 x mod_l1_entry (slot 5)", "get_page (references 3): locked_op": a step as
// people read it, with how often it stood there if that was more than once, and
// with what is charged for it if that has another name.
std::string StepText(const StoryStep& step);

// The cycles of a story by who takes them, by StoryActor; they add up to its
// cycles.
std::array<Cycles, kStoryActorCount> CyclesByActor(const Story& story);

Record ExplanationRecord(const Explanation& explanation,
                         const RunIdentity& identity);
Table ExplanationTable(const Explanation& explanation,
                       const RunIdentity& identity);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_EXPLAIN_EXPLAIN_FIELDS_H_
