#include <cstdio>

#include "xmmu/base/address.h"

int main() {
  const xmmu::Mfn frame = xmmu::FrameOf(xmmu::MachineAddr(0x12345678));
  std::printf("frame 0x%llx\n", static_cast<unsigned long long>(frame.value()));
}
