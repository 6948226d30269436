#ifndef XMMU_TESTING_CONFORMANCE_HOSTILE_GUESTS_H_
#define XMMU_TESTING_CONFORMANCE_HOSTILE_GUESTS_H_

// Two paravirtual domains of two vCPUs each, on two CPUs that they take turns
// on, whose kernels do whatever a string of bytes tells them: hypercalls,
// stores, switches of CR3 and mode. Little memory and few addresses, so that
// the same frames change their use all the time. A property over random
// bytes and a fuzzer both use it.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "testing/conformance/destination.h"
#include "xmmu/guest/vcpu.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/policy/policies.h"
#include "xmmu/policy/policy.h"
#include "xmmu/xen/host.h"

namespace xmmu::conformance {

// A string of bytes, read from the front; zeros once it is empty.
class ByteSource {
 public:
  explicit ByteSource(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  uint8_t Next();
  // 0 to limit - 1, from one byte. REQUIRES: limit is at most 256.
  uint64_t Below(uint64_t limit) { return Next() % limit; }
  bool OneIn(uint64_t n) { return Below(n) == n - 1; }
  template <typename T>
  T Pick(std::initializer_list<T> choices) {
    return choices.begin()[Below(choices.size())];
  }

 private:
  std::span<const uint8_t> bytes_;
};

class HostileGuests {
 public:
  // Guests of the kinds that Xen has: 4-level, PAE of a 64-bit Xen, PAE and
  // 2-level of a 32-bit one.
  static constexpr uint8_t kKinds = 4;
  static const char* KindName(uint8_t kind);
  static PagingMode KindMode(uint8_t kind);

  // Whether the policy lets guests write to their tables freely.
  static bool OpensTables(std::string_view policy);

  // Guests of a policy that takes their stores to page tables.
  // REQUIRES: kind < kKinds.
  // With `shares` they also share pages, all of them alike at first.
  // With another linear map than the default the machine has a TLB flush filter
  // that is on; kSharedL2 is for guests of kind 2. With `logs` their dirty
  // pages are logged now and then.
  explicit HostileGuests(uint8_t kind,
                         std::string_view policy = "trap-and-emulate",
                         bool shares = false,
                         LinearMap linear_map = LinearMap::kDefault,
                         bool logs = false);
  // Guests of the policy that `make` makes. Where one `opens` tables for
  // stores, guests store more, and one of the two has a single vCPU, since Xen
  // opens less for others. REQUIRES: the policy has paravirtual guests of the
  // kind's mode.
  HostileGuests(uint8_t kind, const PolicyFactory& make, bool opens,
                bool shares = false, LinearMap linear_map = LinearMap::kDefault,
                bool logs = false);

  // One operation of one vCPU. Then recounts all references and looks for
  // escapes; "" or what is wrong.
  std::string Step(ByteSource& bytes);

  // How far the guests got.
  struct Progress {
    uint64_t operations = 0;
    uint64_t accepted = 0;    // hypercalls
    uint64_t refused = 0;     // hypercalls
    uint64_t translated = 0;  // loads and stores that went through
    uint64_t emulated = 0;    // stores to tables
    uint64_t opened = 0;      // tables opened for stores
    uint64_t crashes = 0;     // domains given up
    uint64_t changes = 0;     // frames that changed their type
    uint64_t shared = 0;      // pages that became shared frames
    uint64_t merged = 0;      // pages freed for a shared frame
    uint64_t unshared = 0;    // shared frames that became free
    uint64_t log_rounds = 0;  // fetches of dirty pages that cleared the log
    Progress& operator+=(const Progress& other);
  };
  const Progress& progress() const { return progress_; }

 private:
  static constexpr uint64_t kFrames = 24;     // of a domain
  static constexpr uint64_t kPages = 12;      // slots of an L1 in play
  static constexpr uint64_t kUpperSlots = 3;  // slots of other tables in play
  static constexpr uint64_t kRootPfn = 23;    // boot tables, from the root down
  // With writable page tables: an L1 at the second L2 slot, mapped by the
  // first.
  static constexpr uint64_t kSecondL1Pfn = 18;
  static constexpr uint64_t kSecondL1Page =
      kPages / 2 + kRootPfn - kSecondL1Pfn;

  struct Guest {
    Domain* domain = nullptr;
    std::vector<std::unique_ptr<Vcpu>> vcpus;
    std::vector<PageType> types;               // by pfn
    std::unique_ptr<Destination> destination;  // while it is being logged
  };

  void Start();
  void Boot(Guest& guest);
  void PutEntry(Mfn table, int slot, Pte value);
  void Act(Vcpu& vcpu, ByteSource& bytes);
  void Access(Vcpu& vcpu, ByteSource& bytes);
  void SwitchMode(Vcpu& vcpu, ByteSource& bytes);
  void Call(Vcpu& vcpu, const Hypercall& call);
  void UpdateTables(Vcpu& vcpu, ByteSource& bytes);
  void Extended(Vcpu& vcpu, ByteSource& bytes);
  void UpdateVa(Vcpu& vcpu, ByteSource& bytes);
  void MemoryOp(Vcpu& vcpu, ByteSource& bytes);
  void Multicall(Vcpu& vcpu, ByteSource& bytes);
  void Share(Vcpu& vcpu, ByteSource& bytes);
  void NoteTypes();
  void Log(Guest& guest, ByteSource& bytes);

  MmuUpdate AnyUpdate(const Domain& domain, ByteSource& bytes) const;
  MmuextOp AnyOp(const Domain& domain, ByteSource& bytes) const;
  Mfn AnyFrame(const Domain& domain, ByteSource& bytes) const;
  Pte AnyEntry(const Domain& domain, ByteSource& bytes) const;
  VirtAddr AnyAddress(ByteSource& bytes) const;
  int AnySlot(ByteSource& bytes) const;
  DomainId AnyOwner(const Domain& domain, ByteSource& bytes) const;

  std::string Judge();
  using Holders = std::set<std::pair<Mfn, DomainId>>;
  // Who has which shared frame.
  Holders AllHolders() const;
  // A domain that has got a shared frame in another way than by a call of its
  // own that shares; "" if none has.
  std::string Learned(const Holders& before, DomainId who) const;

  MachineModel model_;
  PagingMode mode_;
  PolicyFactory make_;
  bool opens_;  // tables, for stores
  bool shares_;
  bool logs_;
  LinearMap linear_map_;
  bool has_shared_ = false;  // in the operation at hand
  std::unique_ptr<Host> host_;
  std::unique_ptr<Policy> policy_;
  Guest guests_[2];
  Progress progress_;
};

// Runs guests of the kind, policy and habits that the first byte names, until
// the rest is used up or after 1000 operations; "" or what is wrong, with the
// operation's number.
std::string RunHostileGuests(std::span<const uint8_t> bytes);

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_HOSTILE_GUESTS_H_
