#ifndef XMMU_LIB_WORKLOAD_XENTRACE_XENTRACE_COUNTS_H_
#define XMMU_LIB_WORKLOAD_XENTRACE_XENTRACE_COUNTS_H_

// What Xen counts of its guests, from the records of xentrace: hypercalls by
// number, with their continuations; multicalls and their members; bounced
// faults and emulated writes of page tables; VM exits by reason; and of each CPU
// the times of its records. Single-threaded.

#include <array>
#include <cstdint>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "workload/xentrace/xentrace_reader.h"

namespace xmmu {

// The name of a record by its number, "PV_PAGE_FAULT", or empty. Numbers that
// differ in what the layout of their payload says have one name.
absl::string_view XentraceEventName(uint32_t event);

// "mmu_update"; empty for a number that is none (Xen,
// xen/include/public/xen.h).
absl::string_view HypercallName(uint32_t number);

// A stretch of times, both ends included.
struct TscWindow {
  uint64_t first = 0;
  uint64_t last = ~uint64_t{0};
};

class XentraceCounts {
 public:
  static constexpr uint32_t kNumbers = 64;  // of hypercalls, below this

  struct Call {
    uint64_t records = 0;        // PV_HYPERCALL
    uint64_t continuations = 0;  // of records those that go on with a call
    uint64_t members = 0;        // PV_HYPERCALL_SUBCALL
    uint64_t member_continuations = 0;  // of members
    // Of mmu_update and mmuext_op: what the calls carried, continuations not;
    // of multicall what its records say is to be done, as many times as it is
    // said.
    uint64_t operations = 0;
    uint64_t member_operations = 0;
  };

  // Of one physical CPU.
  struct Cpu {
    uint64_t records = 0;
    uint64_t lost = 0;
    // Of the first and the last record with a time; first > last if none has.
    TscWindow seen{~uint64_t{0}, 0};
    // Records with a time before that of the one in front.
    uint64_t went_back = 0;
  };
  // Records by their words of payload, 0 to 7.
  using ByWords = std::array<uint64_t, 8>;

  // Counts a record if it is of the window; all records of a CPU are to be given
  // in order, also those before the window.
  void Add(const XentraceRecord& record, const TscWindow& window);
  // Call this behind the last record.
  void End();

  const absl::btree_map<uint32_t, uint64_t>& events() const { return events_; }
  uint64_t events_of(uint32_t event) const;
  // Of the numbers that a name has, with layouts for 32 and for 64 bits.
  uint64_t events_named(absl::string_view name) const;
  // All 0 for an event that there is no record of.
  ByWords words_of(uint32_t event) const;
  const Call& call(uint32_t number) const { return calls_[number]; }
  // Exits by reason, from HVM_VMEXIT: VMX's or, until Xen 4.18, SVM's, too; the
  // records do not say whose.
  const absl::btree_map<uint32_t, uint64_t>& exits() const { return exits_; }
  // From HVM_VMEXIT_SVM of Xen 4.19 on: SVM's exit codes.
  const absl::btree_map<uint32_t, uint64_t>& svm_exits() const {
    return svm_exits_;
  }
  uint64_t records() const { return records_; }
  uint64_t lost() const { return lost_; }  // records, as LOST_RECORDS says
  // By number, those that have a record.
  const absl::btree_map<uint32_t, Cpu>& cpus() const { return cpus_; }
  // Multicalls whose members were all executed, and those that were cut short
  // and entered again.
  uint64_t multicalls_whole() const { return multicalls_whole_; }
  uint64_t multicalls_cut() const { return multicalls_cut_; }
  // The times of the first and the last record of the window.
  const TscWindow& seen() const { return seen_; }

 private:
  // The multicall that a CPU is in.
  struct Multicall {
    bool open = false;
    uint64_t count = 0;
    uint64_t executed = 0;
  };

  Cpu& NoteTime(const XentraceRecord& record);
  void AddCall(const XentraceRecord& record, bool member);
  void CloseMulticall(Multicall& multicall);

  absl::btree_map<uint32_t, uint64_t> events_;
  absl::btree_map<uint32_t, ByWords> words_;  // by event
  std::array<Call, kNumbers> calls_{};
  absl::btree_map<uint32_t, uint64_t> exits_;
  absl::btree_map<uint32_t, uint64_t> svm_exits_;
  absl::btree_map<uint32_t, Cpu> cpus_;
  absl::btree_map<uint32_t, Multicall> multicalls_;  // by CPU
  uint64_t multicalls_whole_ = 0;
  uint64_t multicalls_cut_ = 0;
  uint64_t records_ = 0;
  uint64_t lost_ = 0;
  TscWindow seen_{~uint64_t{0}, 0};
};

struct XentraceSummary {
  XentraceCounts counts;
  uint64_t bytes = 0;    // of the whole file, decompressed
  uint64_t windows = 0;  // of CPUs, in the whole file
  absl::btree_map<uint32_t, uint64_t> windows_by_cpu;
  bool truncated = false;
};

// Counts the records of a file that are of the window of times.
//
// Errors: as XentraceReader.
absl::StatusOr<XentraceSummary> SummarizeXentrace(const std::string& path,
                                                  const TscWindow& window);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_XENTRACE_XENTRACE_COUNTS_H_
