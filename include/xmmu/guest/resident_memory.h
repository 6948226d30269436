#ifndef XMMU_GUEST_RESIDENT_MEMORY_H_
#define XMMU_GUEST_RESIDENT_MEMORY_H_

#include <cstdint>

namespace xmmu {

// What of one address space is in memory, counted as Linux shows it in
// /proc/PID/status and smaps. All but the frames of tables are in pages of 4
// KiB; a page that is mapped twice counts twice, and zero pages do not count
// (vm_normal_page).
struct ResidentMemory {
  uint64_t anonymous = 0;  // RssAnon: private pages, and copies of files' ones
  uint64_t file = 0;       // RssFile: pages of files, mapped as they are
  uint64_t shmem = 0;  // RssShmem: pages of tmpfs, memfds, System V segments
  uint64_t anon_huge = 0;     // AnonHugePages: of `anonymous`, in large pages
  uint64_t hugetlb = 0;       // HugetlbPages: in none of the above
  uint64_t table_frames = 0;  // VmPTE: of its tables, without the roots
};

}  // namespace xmmu

#endif  // XMMU_GUEST_RESIDENT_MEMORY_H_
