#include "xmmu/xen/host.h"

#include <gtest/gtest.h>

#include "xmmu/machine/machine_model.h"
#include "xmmu/xen/domain.h"
#include "xmmu/xen/internal/frame_table.h"

namespace xmmu::host_test {
namespace {

HostOptions Cpus(int cpus) {
  return {.cpus = cpus, .timing = MemoryTiming::kFlat};
}

TEST(FrameTableTest, UntouchedFramesHaveNoOwnerAndTouchedOnesKeepTheirs) {
  FrameTable frames(uint64_t{1} << 30);
  const FrameTable& view = frames;
  EXPECT_EQ(view[Mfn(12345678)].owner, kDomInvalid);
  frames[Mfn(512)].owner = 7;
  EXPECT_EQ(view[Mfn(512)].owner, 7);
  EXPECT_EQ(view[Mfn(511)].owner, kDomInvalid);
  EXPECT_EQ(view[Mfn(513)].owner, kDomInvalid);
  EXPECT_TRUE(frames.Valid(Mfn((uint64_t{1} << 30) - 1)));
  EXPECT_FALSE(frames.Valid(Mfn(uint64_t{1} << 30)));
}

TEST(P2mTest, TheInverseFollowsEveryChange) {
  P2m p2m;
  for (uint64_t i = 0; i < 10; ++i) p2m.Set(Pfn(i), Mfn(4096 + i));
  EXPECT_EQ(p2m.size(), 10u);
  EXPECT_EQ(p2m.PfnOf(Mfn(4096)), Pfn(0));
  EXPECT_EQ(p2m.PfnOf(Mfn(4105)), Pfn(9));
  EXPECT_EQ(p2m.PfnOf(Mfn(4106)), kInvalidPfn);
  EXPECT_EQ(p2m.PfnOf(Mfn(4095)), kInvalidPfn);
  p2m.Set(Pfn(3), Mfn(77));  // below the extent, out of order
  EXPECT_EQ(p2m.MfnOf(Pfn(3)), Mfn(77));
  EXPECT_EQ(p2m.PfnOf(Mfn(77)), Pfn(3));
  EXPECT_EQ(p2m.PfnOf(Mfn(4099)), kInvalidPfn);
  p2m.Set(Pfn(3), Mfn(4099));
  EXPECT_EQ(p2m.PfnOf(Mfn(4099)), Pfn(3));
  EXPECT_EQ(p2m.PfnOf(Mfn(77)), kInvalidPfn);
  p2m.Clear(Pfn(9));
  EXPECT_EQ(p2m.MfnOf(Pfn(9)), kInvalidMfn);
  EXPECT_EQ(p2m.PfnOf(Mfn(4105)), kInvalidPfn);
  p2m.Clear(Pfn(1000));
}

TEST(HostTest, XenKeepsAPageInfoAndAnM2pEntryOfEachFrame) {
  Host host(*FindMachine("skylake-2017"), Cpus(1));
  EXPECT_EQ(host.frame_bookkeeping_bytes(), 0u);
  const auto add = [&](PagingMode mode, uint64_t frames, bool translated) {
    ASSERT_TRUE(host.CreateDomain({.mode = mode,
                                   .memory_frames = frames,
                                   .translated = translated})
                    .ok());
  };
  add(PagingMode::k4Level, 10, false);
  EXPECT_EQ(host.frame_bookkeeping_bytes(), 10u * (32 + 8));
  add(PagingMode::kPae, 100, true);
  EXPECT_EQ(host.frame_bookkeeping_bytes(), 110u * (32 + 8));
  add(PagingMode::k2Level, 1000, true);
  EXPECT_EQ(host.frame_bookkeeping_bytes(), 110u * (32 + 8) + 1000 * (24 + 4));
}

TEST(HostTest, DomainsAreContiguousFrom16MiBAt4MiBBoundaries) {
  Host host(*FindMachine("skylake-2017"), Cpus(1));
  Domain* const first = host.CreateDomain({.memory_frames = 1025}).value();
  Domain* const second = host.CreateDomain({.memory_frames = 1}).value();
  EXPECT_EQ(first->p2m().MfnOf(Pfn(0)), Mfn(4096));
  EXPECT_EQ(first->p2m().MfnOf(Pfn(1024)), Mfn(5120));
  EXPECT_EQ(second->p2m().MfnOf(Pfn(0)), Mfn(6144));
  EXPECT_EQ(first->id(), 1);
  EXPECT_EQ(host.FindDomain(2), second);
  EXPECT_EQ(host.FindDomain(3), nullptr);
  EXPECT_EQ(first->GfnOf(Pfn(5)), Gfn(4101));
  EXPECT_EQ(first->MfnOf(Gfn(6144)), kInvalidMfn);
  const PageInfo& page = host.frames()[Mfn(4096)];
  EXPECT_EQ(page.owner, 1);
  EXPECT_EQ(page.ref_count, 1u);
  EXPECT_EQ(page.type, PageType::kWritable);
  EXPECT_EQ(page.type_count, 0u);
  EXPECT_TRUE(page.validated && page.allocated);
}

TEST(HostTest, ATranslatedDomainCountsItsOwnFrames) {
  Host host(*FindMachine("skylake-2017"), Cpus(1));
  Domain* const domain =
      host.CreateDomain({.memory_frames = 16, .translated = true}).value();
  EXPECT_EQ(domain->GfnOf(Pfn(5)), Gfn(5));
  EXPECT_EQ(domain->MfnOf(Gfn(5)), Mfn(4101));
  EXPECT_EQ(domain->PfnOf(Gfn(5)), Pfn(5));
}

TEST(HostTest, AMachineHasNoMoreFramesThanItsCpuCanAddress) {
  Host host(*FindMachine("xeon-2003"), Cpus(1));
  EXPECT_EQ(host.frames().size(), uint64_t{1} << 24);  // 64 GiB
  const uint64_t rest = (uint64_t{1} << 24) - 4096;
  const DomainOptions more{.mode = PagingMode::kPae, .memory_frames = rest + 1};
  EXPECT_EQ(host.CreateDomain(more).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(HostTest, FourByteEntriesReachFourGib) {
  Host host(*FindMachine("skylake-2017"), Cpus(1));
  const uint64_t rest = (uint64_t{1} << 20) - 4096;
  DomainOptions options{.mode = PagingMode::k2Level, .memory_frames = rest + 1};
  EXPECT_EQ(host.CreateDomain(options).status().code(),
            absl::StatusCode::kResourceExhausted);
  options.memory_frames = rest;
  EXPECT_TRUE(host.CreateDomain(options).ok());
}

// What one domain's strategy has set aside no other's can have, used or not.
TEST(HostTest, RoomIsSetAsideOnce) {
  Host host(*FindMachine("xeon-2003"), Cpus(1));
  uint64_t room = 0;  // found from the top, by halves
  for (uint64_t step = uint64_t{1} << 40; step > 0; step /= 2) {
    Host other(*FindMachine("xeon-2003"), Cpus(1));
    if (other.ReserveXenRoom(room + step).ok()) room += step;
  }
  EXPECT_GT(room, 1000u);
  EXPECT_TRUE(host.ReserveXenRoom(room - 10).ok());
  for (int i = 0; i < 5; ++i) host.AllocXenFrame();
  EXPECT_FALSE(host.ReserveXenRoom(11).ok());
  EXPECT_TRUE(host.ReserveXenRoom(10).ok());
  EXPECT_FALSE(host.ReserveXenRoom(1).ok());
}

TEST(HostTest, DomainsWithoutMemoryOrWithTooManyVcpusAreRefused) {
  Host host(*FindMachine("skylake-2017"), Cpus(1));
  EXPECT_FALSE(host.CreateDomain({.memory_frames = 0}).ok());
  EXPECT_FALSE(host.CreateDomain({.memory_frames = 8, .vcpus = 0}).ok());
  EXPECT_FALSE(host.CreateDomain({.memory_frames = 8, .vcpus = 65}).ok());
  EXPECT_TRUE(host.CreateDomain({.memory_frames = 8, .vcpus = 64}).ok());
}

TEST(HostTest, XenFramesAreZeroedCountedAndNobodys) {
  Host host(*FindMachine("skylake-2017"), Cpus(1));
  const Mfn mfn = host.AllocXenFrame();
  host.memory().Write64(AddressOf(mfn), 5);
  EXPECT_EQ(host.xen_frames(), 1u);
  host.FreeXenFrame(mfn);
  EXPECT_EQ(host.xen_frames(), 0u);
  EXPECT_EQ(host.AllocXenFrame(), mfn);
  EXPECT_EQ(host.memory().Read64(AddressOf(mfn)), 0u);
  EXPECT_EQ(host.frames()[mfn].owner, kDomInvalid);
}

TEST(HostTest, XenFramesGoOnAboveTheDomainsWhenTheLowOnesAreUsedUp) {
  Host host(*FindMachine("skylake-2017"), Cpus(1));
  ASSERT_TRUE(host.CreateDomain({.memory_frames = 10}).ok());
  Mfn last;
  for (int i = 0; i < 3840; ++i) last = host.AllocXenFrame();
  EXPECT_EQ(last, Mfn(4095));
  EXPECT_EQ(host.AllocXenFrame(), Mfn(5120));
  Domain* const next = host.CreateDomain({.memory_frames = 10}).value();
  EXPECT_EQ(next->p2m().MfnOf(Pfn(0)), Mfn(6144));
}

TEST(HostTest, VcpusTakeTheCpusInTurn) {
  Host host(*FindMachine("skylake-2017"), Cpus(2));
  Domain* const domain =
      host.CreateDomain({.memory_frames = 8, .vcpus = 3}).value();
  EXPECT_EQ(domain->vcpu(0).cpu->id, 0u);
  EXPECT_EQ(domain->vcpu(1).cpu->id, 1u);
  EXPECT_EQ(domain->vcpu(2).cpu->id, 0u);
  EXPECT_EQ(host.cpu(0).current, &domain->vcpu(0));
  EXPECT_EQ(domain->dirty_cpus(), 3u);
  EXPECT_EQ(domain->CpusOf(0b110), 0b11u);
  EXPECT_EQ(domain->CpusOf(0b100), 0b01u);
}

TEST(HostFlushTest, TheSenderWaitsForTheInterruptNotForWhatATargetDidSince) {
  Host host(*FindMachine("skylake-2017"), Cpus(3));
  const auto price = [&](CostEvent event) {
    return host.model().cost(event).value;
  };
  // CPU 2 is ahead in its own time.
  host.cpu(2).clock.AdvanceTo(Cycles(1000000));
  host.Flush(host.cpu(0), 0b111, TlbFlush::Page(VirtAddr(0x1000)));
  CycleClock& sender = host.cpu(0).clock;
  EXPECT_EQ(sender.tally(CostEvent::kInvlpg), 1u);
  EXPECT_EQ(sender.tally(CostEvent::kIpiSend), 2u);
  EXPECT_EQ(sender.tally(CostEvent::kIpiDelivery), 1u);
  const uint64_t handled =
      price(CostEvent::kIpiHandler) + price(CostEvent::kInvlpg);
  EXPECT_EQ(sender.idle(), Cycles(0));
  EXPECT_EQ(host.cpu(2).clock.now(), Cycles(1000000 + handled));
  // CPU 1 was idle until the IPI came.
  const uint64_t arrival = price(CostEvent::kInvlpg) +
                           2 * uint64_t{price(CostEvent::kIpiSend)} +
                           price(CostEvent::kIpiDelivery);
  EXPECT_EQ(sender.now(), Cycles(arrival + handled));
  EXPECT_EQ(host.cpu(1).clock.idle(), Cycles(arrival));
  EXPECT_EQ(host.cpu(1).clock.busy(), Cycles(handled));
  EXPECT_EQ(host.cpu(1).counters[Counter::kIpis], 1u);
  EXPECT_EQ(host.cpu(0).counters[Counter::kIpis], 0u);
}

TEST(HostFlushTest, TheOwnCpuAloneGetsNoIpi) {
  Host host(*FindMachine("skylake-2017"), Cpus(2));
  host.Flush(host.cpu(1), 0b10, TlbFlush::All());
  EXPECT_EQ(host.cpu(1).clock.tally(CostEvent::kIpiSend), 0u);
  EXPECT_EQ(host.cpu(1).clock.tally(CostEvent::kMovCr4), 2u);
  EXPECT_EQ(host.cpu(0).clock.now(), Cycles(0));
}

TEST(HostFlushTest, NothingOwedCostsNothing) {
  Host host(*FindMachine("skylake-2017"), Cpus(2));
  host.Flush(host.cpu(0), 0b11, TlbFlush());
  host.Flush(host.cpu(0), 0, TlbFlush::All());
  PendingInvalidation pending;
  host.Apply(host.cpu(0), pending);
  EXPECT_EQ(host.cpu(0).clock.now(), Cycles(0));
}

TEST(TlbClockTest, AFlushCoversWhatWasFreedBeforeItAndNothingSince) {
  Host host(*FindMachine("skylake-2017"), Cpus(2));
  const uint32_t before = host.tlb_clock();
  host.Flush(host.cpu(0), 0b01, TlbFlush::All());
  const uint32_t after = host.tlb_clock();
  EXPECT_EQ(after, before + 1);
  // A frame freed before the flush concerns only the CPU that has not flushed
  // since.
  EXPECT_EQ(host.NeedFlush(0b11, before), 0b10u);
  // One freed after it, in the same tick, concerns both.
  EXPECT_EQ(host.NeedFlush(0b11, after), 0b11u);
  EXPECT_EQ(host.NeedFlush(0b10, after), 0b10u);
}

TEST(TlbClockTest, AFlushThatSparesGlobalEntriesDoesNotCount) {
  Host host(*FindMachine("skylake-2017"), Cpus(1));
  ASSERT_TRUE(host.CreateDomain({.memory_frames = 8}).ok());
  ASSERT_FALSE(host.cpu(0)
                   .mmu
                   .Reset(KernelControlRegisters(PagingMode::k4Level,
                                                 host.model().features))
                   .has_value());
  const uint32_t before = host.tlb_clock();
  host.Flush(host.cpu(0), 1, TlbFlush::NonGlobal());
  EXPECT_EQ(host.tlb_clock(), before);
  host.Flush(host.cpu(0), 1, TlbFlush::All());
  EXPECT_EQ(host.tlb_clock(), before + 1);
}

TEST(HostTest, SwitchingVcpusLoadsTheRootAndMovesTheDirtyBit) {
  Host host(*FindMachine("skylake-2017"), Cpus(1));
  Domain* const a = host.CreateDomain({.memory_frames = 8}).value();
  Domain* const b = host.CreateDomain({.memory_frames = 8}).value();
  a->vcpu(0).cr3 = 0x1000000;
  b->vcpu(0).cr3 = 0x1400000;
  Cpu& cpu = host.cpu(0);
  ASSERT_FALSE(
      cpu.mmu.Reset(KernelControlRegisters(a->mode(), host.model().features))
          .has_value());
  EXPECT_EQ(b->dirty_cpus(), 0u);
  host.SwitchVcpu(cpu, b->vcpu(0));
  EXPECT_EQ(cpu.mmu.registers().cr3, 0x1400000u);
  EXPECT_EQ(cpu.current, &b->vcpu(0));
  EXPECT_EQ(a->dirty_cpus(), 0u);
  EXPECT_EQ(b->dirty_cpus(), 1u);
  const uint64_t loads = cpu.counters[Counter::kCr3Loads];
  host.SwitchVcpu(cpu, b->vcpu(0));
  EXPECT_EQ(cpu.counters[Counter::kCr3Loads], loads);
}

}  // namespace
}  // namespace xmmu::host_test
