#ifndef XMMU_LIB_WORKLOAD_QEMU_QEMU_LAYOUT_H_
#define XMMU_LIB_WORKLOAD_QEMU_QEMU_LAYOUT_H_

#include "workload/process/image_layout.h"

namespace xmmu {

// A spool says what exec has mapped, so nothing is inferred.
inline constexpr ImageLayout kQemuLayout = {.exact = true};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_QEMU_LAYOUT_H_
