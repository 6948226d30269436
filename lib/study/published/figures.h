#ifndef XMMU_LIB_STUDY_PUBLISHED_FIGURES_H_
#define XMMU_LIB_STUDY_PUBLISHED_FIGURES_H_

#include "study/published/published.h"

namespace xmmu {

// Figures that nothing can be run for, each with the reason.
void AddFiguresLeftOut(PublishedTable& table);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_PUBLISHED_FIGURES_H_
