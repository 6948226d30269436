#ifndef XMMU_XMMU_H_
#define XMMU_XMMU_H_

// xmmu, a cycle-level simulator of the x86 MMU under the memory-virtualization
// strategies of Xen. This header includes the ten that a user needs, in the
// order in which they are best read; examples/ has a program for each use.
//
//   xmmu/sim/options.h            says what one simulation is made of: a
//                                 machine, a paging mode, a guest, a strategy.
//   xmmu/sim/simulator.h          builds it and runs a workload on it.
//   xmmu/sim/cost.h               holds what a piece of work has charged and
//                                 counted.
//   xmmu/sim/results.h            holds what a whole run comes to, a row a
//                                 strategy.
//   xmmu/sim/compare.h            runs the same workload under several
//                                 strategies and checks that all programs see
//                                 the same.
//   xmmu/report/report.h          writes a comparison as text, CSV or JSON.
//   xmmu/workload/synthetic.h     makes workloads by name: "fork:pages=100".
//   xmmu/workload/lackey_trace.h  makes workloads of recorded programs.
//   xmmu/machine/machine_file.h   reads machines from files, with a price, a
//                                 source and a mark in each row.
//   xmmu/policy/policies.h        has the table of built-in strategies.
//
// Who writes a workload or a strategy also reads these twelve:
//
//   xmmu/workload/workload.h           is the interface of workloads.
//   xmmu/policy/policy.h               is the interface of strategies.
//   xmmu/xen/host.h                    is what a strategy acts through.
//   xmmu/xen/domain.h                  has a guest's memory and its vCPUs.
//   xmmu/xen/hypercall.h               has the calls of paravirtual guests.
//   xmmu/policy/direct/paravirtual.h   is direct paging, to build upon.
//   xmmu/policy/shadow/shadow_policy.h is shadow paging, to build upon.
//   xmmu/mmu/mmu.h                     is the processor's MMU.
//   xmmu/mmu/access.h                  has accesses and page faults.
//   xmmu/machine/pte.h                 has the bits of a page-table entry.
//   xmmu/base/address.h                has the types of addresses and frames.
//   xmmu/base/cycles.h                 has what is priced, and the clocks.
//
// A user's own tests include those of xmmu/testing/. A program of one's own has
// xmmu/cli/main.h, which is the whole of `xmmu`; and, to build another one,
// xmmu/sim/run_fields.h (options), xmmu/study/studies.h (studies),
// xmmu/report/document.h and what stands beside it (reports), and
// xmmu/workload/trace_digest.h. Strategies also find the parts of Xen in
// xmmu/xen/. All other headers hold what these need; the ones in a folder
// internal/ may change at any time.

#include "xmmu/machine/machine_file.h"
#include "xmmu/policy/policies.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/cost.h"
#include "xmmu/sim/options.h"
#include "xmmu/sim/results.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/lackey_trace.h"
#include "xmmu/workload/synthetic.h"

#endif  // XMMU_XMMU_H_
