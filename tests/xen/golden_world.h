#ifndef XMMU_TESTS_XEN_GOLDEN_WORLD_H_
#define XMMU_TESTS_XEN_GOLDEN_WORLD_H_

// The guest that the recordings of tests/golden/xen-pv were made with (see
// FORMAT.md there): named frames, and what a record says of them.

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "xmmu/machine/machine_model.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/mm.h"

namespace xmmu::golden {

using Json = nlohmann::ordered_json;

// "7" for the frame 7, "B" for "B".
std::string FrameName(const Json& frame);

class World {
 public:
  // The start state that `header` describes.
  explicit World(const Json& header);

  Host& host() { return *host_; }
  Mm& mm() { return *mm_; }
  VcpuContext& vcpu() { return *vcpu_; }
  bool pae() const { return mode_ == PagingMode::kPae; }
  PagingMode mode() const { return mode_; }

  Mfn FrameOf(const Json& frame) const;
  MachineAddr Entry(const Json& table, const Json& slot) const;
  // The 64-bit word of a [frame, flags] pair.
  uint64_t Value(const Json& value) const;
  // Whether `raw` is the word of `value`, in which the frame may be "x": one
  // that has no name.
  bool Matches(const Json& value, uint64_t raw) const;
  // An L1 outside the record, for mappings that come and go.
  Mfn helper() const { return helper_; }

  // Compares states, words and base pointers with what `record` says after its
  // operation; "" or the first difference.
  std::string Compare(const Json& record);

 private:
  void PlaceNamedFrames(const Json& header);
  void WriteTables(const Json& layout);
  void SetInitialStates(const Json& init);
  Mfn NewFrame(const std::string& name);
  void MarkMachineFrames();

  Json StateOf(Mfn mfn) const;
  void ImitateQuirk(const Json& record);
  std::string CompareStates(const Json& record);
  std::string CompareBases(const Json& record);
  std::string CompareWords(const Json& record);
  void ApplyWords(const Json& words);
  std::string CompareFrame(const std::string& name, Mfn mfn, Mfn expected);
  void NoteXenTables();
  void RestoreXenSlots(Mfn mfn, Mfn expected);

  MachineModel model_;
  PagingMode mode_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<Mm> mm_;
  VcpuContext* vcpu_ = nullptr;
  Mfn helper_;
  uint64_t next_pfn_ = 0;
  std::map<std::string, Mfn> frames_;
  std::set<Mfn> named_;
  // What the record says of tracked frames, and of the words of observed ones
  // (kept in frames of the same memory).
  std::map<std::string, Json> states_;
  std::map<std::string, Mfn> expected_;
  std::set<std::string> xen_tables_;  // with slots of Xen's, now or once
  Json base_;
  Json user_base_;
};

}  // namespace xmmu::golden

#endif  // XMMU_TESTS_XEN_GOLDEN_WORLD_H_
