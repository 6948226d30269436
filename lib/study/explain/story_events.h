#ifndef XMMU_LIB_STUDY_EXPLAIN_STORY_EVENTS_H_
#define XMMU_LIB_STUDY_EXPLAIN_STORY_EVENTS_H_

// How each event of StoryEvents() is brought about, in a guest that is warm.
//
// Single-threaded.

#include <cstdint>
#include <string>

#include "xmmu/sim/guest_driver.h"
#include "xmmu/study/explain.h"

namespace xmmu {

struct Scene {
  GuestDriver& guest;
  uint64_t pages;
};

struct StoryScript {
  StoryEvent event;
  // Returns why there is no such event in this guest, or nothing. May be null.
  std::string (*absent)(Scene& scene);
  // Brings the guest to where the event begins.
  void (*prepare)(Scene& scene);
  // The event, and nothing else.
  void (*act)(Scene& scene);
};

// The script of the event with that name, or nullptr.
const StoryScript* FindStoryScript(std::string_view name);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_EXPLAIN_STORY_EVENTS_H_
