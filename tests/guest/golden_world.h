#ifndef XMMU_TESTS_GUEST_GOLDEN_WORLD_H_
#define XMMU_TESTS_GUEST_GOLDEN_WORLD_H_

// The guest that the recordings of tests/golden/xen-pv were made with (see
// FORMAT.md there): it has named frames, and checks what a record says about
// them. It runs on a Vcpu under the trap-and-emulate policy, as any other
// guest.

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "xen/direct/audit.h"
#include "xmmu/guest/vcpu.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/policy/policy.h"
#include "xmmu/xen/host.h"

namespace xmmu::golden {

using Json = nlohmann::ordered_json;

// "7" for the frame 7, "B" for "B".
std::string FrameName(const Json& frame);

class World {
 public:
  // Makes the start state that `header` describes.
  explicit World(const Json& header);

  Vcpu& vcpu() { return *vcpu_; }
  // CR3 of the guest's kernel mode.
  Mfn base() const { return context_->guest_table; }
  PhysMemory& memory() { return host_->memory(); }
  bool pae() const { return mode_ == PagingMode::kPae; }
  PagingMode mode() const { return mode_; }

  Mfn FrameOf(const Json& frame) const;
  MachineAddr Entry(const Json& table, const Json& slot) const;
  // The 64-bit word of a [frame, flags] pair.
  uint64_t Value(const Json& value) const;
  // Whether `raw` is the word of `value`, in which the frame may be "x": one
  // that has no name.
  bool Matches(const Json& value, uint64_t raw) const;

  // The entry by which the guest's kernel maps a page for a moment, in an L1
  // that no record shows, and its address.
  MachineAddr scratch_entry() const {
    return AddressOf(opaque_) + uint64_t{8 * kScratchSlot};
  }
  VirtAddr scratch() const { return scratch_; }

  // Compares states, words and base pointers with what `record` says after its
  // operation, then audits; "" or the first difference.
  std::string Compare(const Json& record);

  // How much has been compared so far.
  struct Compared {
    uint64_t states = 0;
    uint64_t words = 0;
  };
  const Compared& compared() const { return compared_; }

 private:
  static constexpr int kScratchSlot = 511;

  void PlaceNamedFrames(const Json& header);
  void WriteTables(const Json& layout);
  void ChooseOpaqueTable(const Json& layout);
  void MapOpaquely(const Json& init);
  void ShowMachphysMap();
  void ReachInitialStates(const Json& init);
  Mfn NewFrame(const std::string& name);
  void MarkMachineFrames();

  Json StateOf(Mfn mfn) const;
  void ImitateQuirk(const Json& record);
  std::string Audit() const;
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
  std::unique_ptr<Policy> policy_;
  VcpuContext* context_ = nullptr;
  std::unique_ptr<Vcpu> vcpu_;
  Mfn opaque_;  // an L1 of the kernel's that no record shows
  VirtAddr scratch_;
  uint64_t next_pfn_ = 0;
  std::map<std::string, Mfn> frames_;
  std::set<Mfn> named_;
  // What the record says about tracked frames, and about the words of observed
  // ones, which are kept in frames of the same memory.
  std::map<std::string, Json> states_;
  std::map<std::string, Mfn> expected_;
  std::set<std::string> xen_tables_;  // have or had Xen's slots
  std::vector<HeldReference> leaks_;  // leaked references of Xen's, imitated
  Compared compared_;
  Json base_;
  Json user_base_;
};

}  // namespace xmmu::golden

#endif  // XMMU_TESTS_GUEST_GOLDEN_WORLD_H_
