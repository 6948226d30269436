#ifndef XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_EVENT_H_
#define XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_EVENT_H_

// One line of what Linux's tracing prints, in any of three renderings (Linux
// 6.1: kernel/trace/trace_output.c; trace-cmd 3.1.6; tools/perf/builtin-script.c):
//
//   ftrace     `  sh-133  [001] d..1.    67.152580: EVENT: ARGUMENTS`
//   trace-cmd  `  sh-133  [001]211557620831: EVENT:   ARGUMENTS`
//   perf       `  sh  133 [001]  67.152580: SUBSYSTEM:EVENT: ARGUMENTS`
//
// Plain values; any thread.

#include <cstdint>

#include "absl/strings/string_view.h"

namespace xmmu {

enum class TextRendering : uint8_t { kFtrace, kTraceCmd, kPerf };

struct TextEvent {
  TextRendering rendering = TextRendering::kFtrace;
  absl::string_view task;  // its name, which may hold blanks, '-' and '/'
  uint32_t pid = 0;        // the thread's
  uint32_t group = 0;      // the thread group's (record-tgid, perf), or 0
  uint32_t cpu = 0;
  // Nanoseconds of a clock of seconds, else what the clock counts: with
  // x86-tsc the TSC.
  uint64_t time = 0;
  bool seconds = false;  // whether it was printed as seconds
  // Without its subsystem. System calls have the names of their events,
  // sys_enter_X and sys_exit_X, where ftrace prints `sys_X(...)` and
  // `sys_X -> ...`; of the former the arguments are what is in parentheses.
  absl::string_view name;
  bool enters = false;  // sys_enter_`name`; `name` is the call's
  bool exits = false;   // sys_exit_`name`
  absl::string_view arguments;
};

enum class TextLineKind : uint8_t {
  kEvent,
  // A comment, an empty line, a head's `cpus=2`, or part of a stack's trace.
  kRemark,
  // Events were lost here: `CPU:1 [LOST 12 EVENTS]`.
  kLost,
  kNone,  // none of Linux's lines
};

struct TextLine {
  TextLineKind kind = TextLineKind::kNone;
  TextEvent event;    // kEvent
  uint64_t lost = 0;  // kLost: how many, or 0 if it does not say
};

// Reads a line without its newline. The event refers to `line`.
TextLine ParseTextLine(absl::string_view line);

// "ftrace", "trace-cmd report", "perf script".
absl::string_view RenderingName(TextRendering rendering);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_EVENT_H_
