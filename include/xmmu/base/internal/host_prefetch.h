#ifndef XMMU_BASE_INTERNAL_HOST_PREFETCH_H_
#define XMMU_BASE_INTERNAL_HOST_PREFETCH_H_

// A hint to the processor that xmmu runs on. No result depends on it.
//
// Any thread.

namespace xmmu {

// Asks the host to bring the line of `address` into its caches.
inline void HostPrefetch(const void* address) {
  __builtin_prefetch(address);  // GCC and Clang, on every target
  // GCC 12 takes a function that does nothing else for one without effect, and
  // leaves out the calls of it.
  asm volatile("");
}

}  // namespace xmmu

#endif  // XMMU_BASE_INTERNAL_HOST_PREFETCH_H_
