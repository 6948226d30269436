#ifndef XMMU_LIB_STUDY_PUBLISHED_LMBENCH_H_
#define XMMU_LIB_STUDY_PUBLISHED_LMBENCH_H_

// What the programs of lmbench 2 (L. McVoy, C. Staelin) do to memory, done by a
// guest, each in the steady state that lmbench times: what is in files has been
// read before, and what a process has left behind is used again.
//
// Files and file systems, pipes, signals and what programs compute are not
// there: a time is that of the memory management and of the system calls'
// entries and exits.
//
// Single-threaded.

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "study/events.h"
#include "xmmu/sim/guest_driver.h"
#include "xmmu/sim/options.h"

namespace xmmu {

enum class LmbenchTest : uint8_t {
  kNullCall,         // lat_syscall null
  kPageFault,        // lat_pagefault
  kProtectionFault,  // lat_sig prot
  kMmap,             // lat_mmap
  kFork,             // lat_proc fork
  kExec,             // lat_proc exec
  kShell,            // lat_proc shell
};

struct LmbenchTestEntry {
  LmbenchTest test;
  std::string_view name;  // as SOSP'03 has it: "page fault"
  std::string_view does;  // what the program does, as it is done here
};

// In report order.
std::span<const LmbenchTestEntry> LmbenchTests();

// lat_ctx: processes that pass a token round by pipes, each of which first adds
// up an array.
struct ContextSwitchTest {
  int processes = 2;
  uint64_t array_bytes = 0;  // a multiple of the page size
};

// One of what lat_... prints, times `times`. The guest has the first vCPU to
// itself. Errors: those of Simulator::Create and of the guest.
absl::StatusOr<EventCost> MeasureLmbench(LmbenchTest test,
                                         const SimulatorOptions& options);

// Cycles of one hand-over of the token, as lat_ctx prints it: less what the
// pipe and the sum over an array of 4 KiB, times the array's size, take a
// process alone. With arrays it means something only if `options` let data go
// through the caches. Errors: as above.
absl::StatusOr<double> MeasureContextSwitch(const ContextSwitchTest& test,
                                            const SimulatorOptions& options);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_PUBLISHED_LMBENCH_H_
