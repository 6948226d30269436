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

// "mod_l1_entry (level 1, mfn 0x40)": a step as people read it; in front of it
// how often it stood there, if that was more than once.
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
