#ifndef XMMU_XEN_HOST_H_
#define XMMU_XEN_HOST_H_

// The simulated machine with its hypervisor's bookkeeping: CPUs (each an Mmu, a
// clock and counters), machine memory, the frame table and the domains. A
// Policy is given a Host, and nothing else.
//
// Single-threaded; many Hosts may run on many threads.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/memory_hierarchy.h"
#include "xmmu/machine/memory_timing.h"
#include "xmmu/machine/phys_memory.h"
#include "xmmu/mmu/mmu.h"
#include "xmmu/mmu/pending_invalidation.h"
#include "xmmu/xen/domain.h"
#include "xmmu/xen/internal/frame_runs.h"
#include "xmmu/xen/internal/frame_table.h"
#include "xmmu/xen/internal/shared_pages.h"
#include "xmmu/xen/linear_map.h"
#include "xmmu/xen/own_event.h"

namespace xmmu {

struct HostOptions {
  int cpus = 1;  // 1 to 64
  MemoryTiming timing = MemoryTiming::kPteCaches;
  // The machine's size; it is sparse. Without it a machine has 1 TiB, and more
  // if its domains need it, as far as its addresses reach.
  std::optional<uint64_t> memory_frames = std::nullopt;
  // How Xen reaches the tables of its paravirtual guests.
  LinearMap linear_map = LinearMap::kDefault;
};

// One physical CPU.
struct Cpu {
  Cpu(uint32_t number, const MachineModel& model, PhysMemory& memory,
      MemoryTiming timing, CacheArray* l3);

  uint32_t id;
  CycleClock clock;
  Counters counters;
  MemoryHierarchy hierarchy;
  Mmu mmu;
  bool data_through_caches;
  VcpuContext* current = nullptr;
  // When the policy's next tick is due on this CPU, in the time of `clock`: see
  // xmmu/policy/tick.h. The end of time if it has asked for none.
  Cycles next_tick{~uint64_t{0}};
  // Xen's per-CPU tlbflush_time: the TLB clock at its last full flush.
  uint32_t tlbflush_time = 0;

  // A data access at `addr`, by the linear address `va`, goes through the
  // caches, if they serve data. Charges what it takes beyond an L1 hit: see
  // DataAccess::Charge().
  void TouchData(MachineAddr addr, VirtAddr va);
};

class Host {
 public:
  // `model` outlives the Host.
  Host(const MachineModel& model, const HostOptions& options);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const MachineModel& model() const { return model_; }
  LinearMap linear_map() const { return linear_map_; }
  PhysMemory& memory() { return memory_; }
  const PhysMemory& memory() const { return memory_; }
  FrameTable& frames() { return frames_; }
  const FrameTable& frames() const { return frames_; }
  size_t cpu_count() const { return cpus_.size(); }
  Cpu& cpu(uint32_t id) { return *cpus_[id]; }
  const Cpu& cpu(uint32_t id) const { return *cpus_[id]; }

  // Adds an event of a policy's own, which every CPU's clock can be charged for
  // from now on: `cpu.clock.Charge(id)`. To be called in the policy's
  // constructor: Simulator::Create checks names and prices after that, and
  // refuses the policy where they are wrong. Charges nothing.
  OwnEventId AddOwnEvent(OwnEvent event);
  // All of them, by OwnEventId.
  const std::vector<OwnEvent>& own_events() const { return own_events_; }

  // Creates a domain with its memory: `memory_frames` frames in one contiguous
  // extent that begins at a multiple of 4 MiB, the first domain's at 16 MiB;
  // below that lies Xen. Each frame is allocated to the domain with one general
  // reference and type kWritable, count 0. vCPU i runs on CPU i modulo
  // cpu_count(); a CPU without a vCPU so far takes it as current. Domain ids
  // count from 1. Charges nothing.
  // Errors: ResourceExhausted if the machine is full; InvalidArgument for
  // options out of range.
  absl::StatusOr<Domain*> CreateDomain(const DomainOptions& options);
  size_t domain_count() const { return domains_.size(); }
  Domain& domain(size_t index) { return *domains_[index]; }
  // nullptr for ids that are no running domain.
  Domain* FindDomain(DomainId id);

  // Allocates a frame for the hypervisor itself (shadow, snapshot, ...), zeroed
  // and counted in xen_frames(). Charges nothing: the caller charges the
  // zeroing.
  Mfn AllocXenFrame();
  void FreeXenFrame(Mfn mfn);
  // Frees all of them, in their order.
  void FreeXenFrames(const FrameRuns& frames);
  // Allocates `count` frames that follow each other, if those are the next that
  // AllocXenFrame() would return, and takes no host memory for them. Else
  // nothing is done.
  std::optional<Mfn> AllocXenFrames(uint64_t count);
  // Allocates what `count` calls of AllocXenFrame() would, in that order, and
  // takes host memory for pieces of frames that follow each other only.
  FrameRuns AllocXenPool(uint64_t count);
  uint64_t xen_frames() const { return xen_frames_; }
  // Sets room for `count` calls of AllocXenFrame() aside, beside what others
  // have had set aside. Errors: ResourceExhausted; then nothing is set aside.
  absl::Status ReserveXenRoom(uint64_t count);
  // The most frames that the hypervisor has had at a time.
  uint64_t peak_xen_frames() const { return peak_xen_frames_; }

  // Bytes of what Xen keeps of the frames of all domains, whatever strategy it
  // runs them by: a struct page_info and an entry of the machine-to-physical
  // table each. 32 + 8 on 64-bit Xen (4.17), taken for all but 2-level guests;
  // 24 + 4 for those (Xen 3.0.0 for i386, struct pfn_info).
  uint64_t frame_bookkeeping_bytes() const;

  // Bytes of the simulating computer's memory that simulated memory, the frame
  // table and the domains' maps of frames take.
  uint64_t host_bytes() const;

  // One past the last frame that a guest of `mode` can have: as far as the
  // machine's addresses reach; a 4-byte entry names frames below 2^20.
  uint64_t FrameLimit(PagingMode mode) const;

  // Frees a domain's frame without references: it is nobody's, its content
  // stays as it is, and it owes the flush of its timestamp to its next owner
  // (Xen: free_heap_pages).
  void FreeFrame(Mfn mfn);
  // Gives `domain` the free frame that was freed last, at `pfn`, allocated with
  // one general reference, of no type; nothing if no free frame can be the
  // domain's. The flush that it owes is left to the caller (Xen:
  // alloc_heap_pages). REQUIRES: nothing is at `pfn`.
  std::optional<Mfn> AllocFrame(Domain& domain, Pfn pfn);

  // Frames that domains have given back and none has got yet.
  uint64_t free_frames() const { return free_frames_.size(); }

  // The frames that domains share because their contents are equal.
  SharedPages& sharing() { return sharing_; }
  const SharedPages& sharing() const { return sharing_; }

  CpuMask AllCpus() const { return ~CpuMask{0} >> (64 - cpus_.size()); }

  // Flushes `cpus`, on behalf of `initiator`. The own CPU executes `flush`;
  // each other one gets an IPI, and the initiator waits for the slowest
  // acknowledgement: a target answers kIpiHandler and the flush after the IPI
  // arrives, interrupts being on. Charges the initiator
  // kIpiSend a target, kIpiDelivery and kIpiWait; each target kIpiHandler, and
  // if it runs a virtual machine a VM exit with kVmExitWork.
  void Flush(Cpu& initiator, CpuMask cpus, const TlbFlush& flush);

  // Mmu::FlushNested for the nested tables of `domain` on its dirty CPUs, as
  // Flush() does; on AMD for each ASID of its vCPUs. What its nested tables
  // have ceased to grant is gone then.
  void FlushNested(Cpu& initiator, Domain& domain);

  // Flushes what `pending` owes and consumes it.
  void Apply(Cpu& initiator, PendingInvalidation& pending);

  // MOV CR3 on `cpu`, with Xen's TLB clock: the clock ticks and becomes the
  // CPU's tlbflush_time. The clock only tells the truth if no entry of the
  // guest survives; so where CR4.PGE = 1 and the guest may use global pages, it
  // is also toggled (Xen 4.17, xen/arch/x86/flushtlb.c, switch_cr3_cr4).
  // Charges as Mmu::LoadCr3, and Mmu::FlushAll then. Returns #GP, changing
  // nothing, as Mmu::LoadCr3 does.
  std::optional<PageFault> LoadCr3(Cpu& cpu, uint64_t value);

  // Puts `next` on `cpu` in place of the vCPU that runs there, loading its CR3
  // if it is another one, as LoadCr3() does; if other control registers differ,
  // all are put in place, uncharged (assumed: Xen runs guests of one mode).
  // Maintains the dirty CPUs of both domains. For several vCPUs on one CPU.
  // Where either is a virtual machine, by a VM exit and an entry; what has a
  // tag stays in the TLBs then, and its CPU one of its domain's dirty ones.
  void SwitchVcpu(Cpu& cpu, VcpuContext& next);

  // Makes every CPU forget what its TLBs and paging-structure caches hold of
  // any guest, and every cache its lines, L3 included, with the streams of the
  // prefetchers and the open rows of DRAM. Registers, tables and all that
  // software keeps stay as they are. Nothing is charged or counted.
  void MakeCold();

  // The current value of the TLB clock (Xen: tlbflush_clock).
  uint32_t tlb_clock() const { return tlb_clock_; }
  // CPUs of `candidates` that may hold entries older than `timestamp` (Xen:
  // NEED_FLUSH, tlbflush_filter).
  CpuMask NeedFlush(CpuMask candidates, uint32_t timestamp) const;

 private:
  // The error for a domain that does not fit.
  absl::Status NoRoom(const DomainOptions& options, uint64_t room) const;
  // Lets the machine have `frames` frames. REQUIRES: its addresses reach them.
  void GrowTo(uint64_t frames);
  // Gives the frames from `first` on to a new domain.
  void Populate(Domain& domain, Mfn first, uint64_t frames);
  // Assigns CPUs to the vCPUs of a new domain.
  void Place(Domain& domain);
  // Flush() and FlushNested() on one CPU, which is charged.
  void FlushHere(Cpu& cpu, const TlbFlush& flush);
  void FlushNestedHere(Cpu& cpu, Domain& domain);
  // Calls `flush(cpu)` for each CPU of the mask, and charges the interrupts by
  // which the initiator reaches the others.
  template <typename FlushOne>
  void OnCpus(Cpu& initiator, CpuMask cpus, FlushOne flush);
  // SwitchVcpu() where either vCPU is a virtual machine.
  void SwitchVm(Cpu& cpu, VcpuContext& next);
  // Makes `next` current on `cpu`, and lets the dirty CPUs of both domains
  // follow.
  void Occupy(Cpu& cpu, VcpuContext& next);
  bool MayHoldGlobals(const Cpu& cpu) const;
  // Notes a full flush of `cpu`: the TLB clock ticks, and is the CPU's time.
  void Stamp(Cpu& cpu);

  const MachineModel& model_;
  const LinearMap linear_map_;
  PhysMemory memory_;
  const uint64_t most_frames_;  // that the machine can have
  FrameTable frames_;
  CacheArray l3_;
  std::vector<std::unique_ptr<Cpu>> cpus_;
  std::vector<OwnEvent> own_events_;
  std::vector<std::unique_ptr<Domain>> domains_;
  uint64_t next_extent_;          // first frame of the next domain
  std::vector<Mfn> free_frames_;  // given back by domains
  SharedPages sharing_;
  FrameRuns free_xen_frames_;
  uint64_t next_xen_frame_;
  uint64_t xen_extent_end_;
  uint64_t xen_frames_ = 0;
  uint64_t reserved_xen_frames_ = 0;  // by ReserveXenRoom(), used or not
  uint64_t peak_xen_frames_ = 0;
  uint32_t tlb_clock_ = 1;  // 0: wrapped
};

}  // namespace xmmu

#endif  // XMMU_XEN_HOST_H_
