#include "guest/kernel_traits.h"

#include "guest/multicall_queue.h"

namespace xmmu {
namespace {

// Linux 2.4: QUEUE_SIZE (arch/xen/mm/hypervisor.c).
constexpr size_t kUpdateQueueSize = 2048;
// The argument buffer of pvops has 512 bytes and is never filled completely
// (arch/x86/xen/multicalls.c).
constexpr size_t kMulticallBatch =
    (MulticallQueue::kArgumentBytes - 1) / MulticallQueue::kUpdateBytes;

constexpr KernelTraits kStores = {.install = PteWay::kStore,
                                  .set = PteWay::kStore,
                                  .clear = PteWay::kStore,
                                  .write_protect = PteWay::kStore,
                                  .replace = PteWay::kStore,
                                  .protect = ProtectBy::kClearAndSet};

constexpr KernelTraits kUpdateVaMapping = {.install = PteWay::kMapping,
                                           .set = PteWay::kMapping,
                                           .clear = PteWay::kMapping,
                                           .write_protect = PteWay::kMapping,
                                           .replace = PteWay::kMapping};

constexpr KernelTraits kQueue = {.batch = kUpdateQueueSize,
                                 .lazy_batch = kUpdateQueueSize};

constexpr KernelTraits kMulticall = {.protect = ProtectBy::kPreserveAd,
                                     .lazy_batch = kMulticallBatch,
                                     .multicalls = true,
                                     .pins_l1_tables = true};

// pvops has operations of its own, which decide the rest (pvops_mmu_ops.cc).
constexpr KernelTraits kPvops = {.clear = PteWay::kStore,
                                 .write_protect = PteWay::kStore,
                                 .protect = ProtectBy::kPreserveAd,
                                 .lazy_batch = kMulticallBatch,
                                 .multicalls = true,
                                 .pins_l1_tables = true,
                                 .gathers = true};

// Linux 2.4 for Xen 1 and 2: set_pte and what uses it append to the queue. What
// a fault installs or replaces is in the current address space and goes by a
// hypercall of its own after the queue's (mm/memory.c).
constexpr KernelTraits kLinux24 = {.install = PteWay::kMapping,
                                   .replace = PteWay::kMapping,
                                   .protect = ProtectBy::kClearAndSet,
                                   .batch = kUpdateQueueSize,
                                   .lazy_batch = kUpdateQueueSize,
                                   .one_queue = true};

// Linux 2.6.9 for Xen 2.0, with writable page tables: set_pte is a plain store;
// what a fault installs or replaces goes by ptep_establish.
constexpr KernelTraits kLinux269 = {.install = PteWay::kMappingOrStore,
                                    .set = PteWay::kStore,
                                    .clear = PteWay::kStore,
                                    .write_protect = PteWay::kStore,
                                    .replace = PteWay::kMappingOrStore,
                                    .instructions = PteInstructions::kPlain,
                                    .protect = ProtectBy::kClearAndSet};

// Linux 2.6.12 to 2.6.16 for Xen 3.0.0: set_pte_at checks whether the address
// space is current.
constexpr KernelTraits kLinux2612 = {.install = PteWay::kMappingOrStore,
                                     .set = PteWay::kMappingOrStore,
                                     .clear = PteWay::kStore,
                                     .write_protect = PteWay::kStore,
                                     .replace = PteWay::kMappingOrStore,
                                     .protect = ProtectBy::kClearAndSet,
                                     .pins_when_loaded = true,
                                     .flushes_at_pin = true};

// Linux 2.6.18 for Xen 3.1, which emulates stores one by one: only clearing,
// which must read the entry as well, is still an instruction. fork pins its
// child (dup_mmap).
constexpr KernelTraits kLinux2618 = {
    .install = PteWay::kMappingOrStore,
    .set = PteWay::kMappingOrStore,
    .clear = PteWay::kStore,
    .write_protect = PteWay::kMappingOrStore,
    .replace = PteWay::kMappingOrStore,
    .instructions = PteInstructions::kCmpxchg8b,
    .protect = ProtectBy::kClearAndSet,
    .flushes_at_pin = true};

}  // namespace

const KernelTraits& TraitsOf(GuestOps ops) {
  switch (ops) {
    case GuestOps::kStores:
      return kStores;
    case GuestOps::kUpdateVaMapping:
      return kUpdateVaMapping;
    case GuestOps::kQueue:
      return kQueue;
    case GuestOps::kMulticall:
      return kMulticall;
    case GuestOps::kPvops:
      return kPvops;
    case GuestOps::kLinux24:
      return kLinux24;
    case GuestOps::kLinux269:
      return kLinux269;
    case GuestOps::kLinux2612:
      return kLinux2612;
    case GuestOps::kLinux2618:
      return kLinux2618;
  }
  return kStores;
}

}  // namespace xmmu
