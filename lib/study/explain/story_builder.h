#ifndef XMMU_LIB_STUDY_EXPLAIN_STORY_BUILDER_H_
#define XMMU_LIB_STUDY_EXPLAIN_STORY_BUILDER_H_

// Makes the steps of a story of what a log has taken.
//
// Any thread.

#include <span>
#include <vector>

#include "xmmu/base/span_log.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/study/explain.h"
#include "xmmu/xen/own_event.h"

namespace xmmu {

// The steps in `log`, which has kept charges: a span is a step, and what it holds
// are steps of it; so are charges. What another CPU does at an interrupt is a
// step of what has sent it. Prices are those of `costs` and `own_events`.
// REQUIRES: all spans have ended, and the log has dropped nothing.
std::vector<StoryStep> StepsOf(const SpanLog& log, const CostTable& costs,
                               std::span<const OwnEvent> own_events);

// Makes one step of steps that stand one behind the other and are alike: they
// have the same name, and the same steps within, but for how often and how
// long. So do several in a row that come again.
void FoldSteps(std::vector<StoryStep>& steps);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_EXPLAIN_STORY_BUILDER_H_
