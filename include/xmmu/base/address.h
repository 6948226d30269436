#ifndef XMMU_BASE_ADDRESS_H_
#define XMMU_BASE_ADDRESS_H_

// Addresses and frame numbers as types that do not mix.
//
//   VirtAddr     linear address (SDM), guest or hypervisor alike
//   MachineAddr  address in machine memory (SDM: physical address; Xen: maddr)
//   GuestAddr    address in the address space a guest's page tables use where
//                the hardware translates it once more (SDM: guest-physical)
//   Mfn          machine frame number: MachineAddr >> 12
//   Gfn          frame number in the address space a guest's page tables use:
//                equal to the Mfn for a paravirtual guest, to the Pfn for a
//                translated one (Xen: include/xen/mm.h)
//   Pfn          pseudo-physical frame number: 0, 1, 2, ... as the guest counts
//                its own memory (Xen: include/xen/mm.h)
//
// Plain values; any thread.

#include <compare>
#include <cstdint>
#include <utility>

namespace xmmu {

// A 64-bit number of the kind named by `Tag`. Only the arithmetic that keeps
// its meaning is there: number + distance, number - number.
template <typename Tag>
class StrongU64 {
 public:
  constexpr StrongU64() = default;
  constexpr explicit StrongU64(uint64_t value) : value_(value) {}

  constexpr uint64_t value() const { return value_; }

  constexpr auto operator<=>(const StrongU64&) const = default;
  constexpr StrongU64 operator+(uint64_t distance) const {
    return StrongU64(value_ + distance);
  }
  constexpr StrongU64 operator-(uint64_t distance) const {
    return StrongU64(value_ - distance);
  }
  constexpr uint64_t operator-(StrongU64 other) const {
    return value_ - other.value_;
  }
  constexpr StrongU64& operator+=(uint64_t distance) {
    value_ += distance;
    return *this;
  }
  constexpr StrongU64& operator++() {
    ++value_;
    return *this;
  }

  template <typename H>
  friend H AbslHashValue(H state, StrongU64 number) {
    return H::combine(std::move(state), number.value_);
  }

 private:
  uint64_t value_ = 0;
};

using VirtAddr = StrongU64<struct VirtAddrTag>;
using MachineAddr = StrongU64<struct MachineAddrTag>;
using GuestAddr = StrongU64<struct GuestAddrTag>;
using Mfn = StrongU64<struct MfnTag>;
using Gfn = StrongU64<struct GfnTag>;
using Pfn = StrongU64<struct PfnTag>;

// 4 KiB: the granule of the frame table and of the leaf tables.
inline constexpr int kPageShift = 12;
inline constexpr uint64_t kPageSize = uint64_t{1} << kPageShift;
inline constexpr uint64_t kPageOffsetMask = kPageSize - 1;

// "No frame" (Xen: INVALID_MFN and its kin).
inline constexpr Mfn kInvalidMfn{~uint64_t{0}};
inline constexpr Gfn kInvalidGfn{~uint64_t{0}};
inline constexpr Pfn kInvalidPfn{~uint64_t{0}};

// Conversions between a frame number and the address of its first byte.
constexpr MachineAddr AddressOf(Mfn mfn) {
  return MachineAddr(mfn.value() << kPageShift);
}
constexpr Mfn FrameOf(MachineAddr addr) {
  return Mfn(addr.value() >> kPageShift);
}
constexpr GuestAddr AddressOf(Gfn gfn) {
  return GuestAddr(gfn.value() << kPageShift);
}
constexpr Gfn FrameOf(GuestAddr addr) {
  return Gfn(addr.value() >> kPageShift);
}
constexpr uint64_t PageOffset(VirtAddr va) {
  return va.value() & kPageOffsetMask;
}
constexpr uint64_t PageOffset(MachineAddr addr) {
  return addr.value() & kPageOffsetMask;
}
constexpr VirtAddr PageBase(VirtAddr va) {
  return VirtAddr(va.value() & ~kPageOffsetMask);
}

}  // namespace xmmu

#endif  // XMMU_BASE_ADDRESS_H_
