#ifndef XMMU_TESTS_MMU_GOLDEN_REPLAY_H_
#define XMMU_TESTS_MMU_GOLDEN_REPLAY_H_

// Replays one recorded page walk (golden_records.h) on the Mmu.

#include <algorithm>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

#include "gtest/gtest.h"
#include "mmu/golden_records.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu::golden {

inline PagingMode ModeOf(const Json& record) {
  const std::string name = record.at("mode");
  for (const PagingMode mode : kAllPagingModes) {
    std::string plain(PagingModeName(mode));
    plain.erase(std::remove(plain.begin(), plain.end(), '-'), plain.end());
    if (plain == name) return mode;
  }
  throw std::runtime_error("no paging mode " + name);
}

inline AccessKind KindOf(const Json& record) {
  static const std::map<std::string, AccessKind> kKinds = {
      {"read", AccessKind::kRead},
      {"write", AccessKind::kWrite},
      {"exec", AccessKind::kExecute},
      {"implicit_read", AccessKind::kImplicitRead}};
  const std::string name = record.at("access");
  const auto kind = kKinds.find(name);
  if (kind == kKinds.end()) throw std::runtime_error("no access " + name);
  return kind->second;
}

inline MachineModel ModelOf(const Json& record, Vendor vendor) {
  MachineModel model;
  model.features.vendor = vendor;
  const int width = record.at("maxphyaddr");
  if (width < 32 || width > 52) {
    throw std::runtime_error("maxphyaddr " + std::to_string(width));
  }
  model.features.maxphyaddr = width;
  model.features.pages_1g = record.at("gbpages") == 1;
  model.features.la57 = true;
  model.features.pcid = true;
  model.features.smep = true;
  model.features.smap = true;
  model.features.pke = true;
  model.features.pks = true;
  model.features.umip = true;
  model.features.fsgsbase = true;
  model.features.xsave = true;
  model.tlb.data_l1[0] = {4, 0, kTlb4K | kTlbLarge | kTlb1G};
  model.tlb.instruction_l1[0] = {4, 0, kTlb4K | kTlbLarge | kTlb1G};
  for (size_t level = 2; level <= 5; ++level) model.psc.level[level] = {2, 0};
  return model;
}

inline ControlRegisters RegistersOf(const Json& record) {
  ControlRegisters registers;
  registers.cr0 = Number(record.at("cr0"));
  registers.cr4 = Number(record.at("cr4"));
  registers.efer = Number(record.at("efer"));
  registers.pkru = static_cast<uint32_t>(Number(record.at("pkru")));
  registers.pkrs = static_cast<uint32_t>(Number(record.at("pkrs")));
  registers.ac = record.at("ac") == 1;
  return registers;
}

// A machine in the state of a record, and the outcome of its access, in the
// terms of "expect".
class Replay {
 public:
  // Throws std::exception for a record that is not as FORMAT.md says.
  Replay(const Json& record, Vendor vendor)
      : record_(record),
        mode_(ModeOf(record)),
        model_(ModelOf(record, vendor)),
        clock_(model_.prices()),
        mmu_(model_, memory_, nullptr, clock_, counters_) {
    for (const Json& entry : record.at("entries"))
      Store(entry.at(1), entry.at(2));
  }

  Json Outcome() {
    if (mmu_.Reset(RegistersOf(record_)).has_value() || mmu_.mode() != mode_) {
      throw std::runtime_error("registers do not agree with the mode");
    }
    if (mmu_.LoadCr3(Number(record_.at("cr3"))).has_value()) {
      return Finish({{"result", "gp"}, {"at", "mov_cr3"}, {"err", "0x0"}});
    }
    if (record_.contains("mid")) {
      for (const Json& store : record_.at("mid"))
        Store(store.at(0), store.at(1));
    }
    const Access access = {VirtAddr(Number(record_.at("va"))), KindOf(record_),
                           record_.at("cpl") == 3};
    const TranslateResult probed = mmu_.Probe(access);
    const TranslateResult result = mmu_.Translate(access);
    // A probe sees what the access sees, and leaves no trace.
    EXPECT_EQ(Describe(probed), Describe(result));
    return Finish(Describe(result));
  }

  static std::string Hex(uint64_t value) {
    std::ostringstream text;
    text << "0x" << std::hex << value;
    return text.str();
  }

 private:
  static Json Describe(const TranslateResult& result) {
    if (result.ok()) {
      return {{"result", "ok"}, {"pa", Hex(result.addr().value())}};
    }
    const PageFault& fault = result.fault();
    if (fault.vector == FaultVector::kGeneralProtection) {
      return {{"result", "gp"}, {"at", "access"}, {"err", "0x0"}};
    }
    return {{"result", "pf"},
            {"err", Hex(fault.error_code)},
            {"cr2", Hex(fault.va.value())}};
  }

  Json Finish(Json outcome) const {
    Json after = Json::array();
    for (const Json& entry : record_.at("entries")) {
      after.push_back(Hex(memory_.ReadEntry(MachineAddr(Number(entry.at(1))),
                                            EntryBytes(mode_))));
    }
    outcome["after"] = after;
    return outcome;
  }

  void Store(const Json& address, const Json& value) {
    const uint64_t at = Number(address);
    const auto bytes = static_cast<uint64_t>(EntryBytes(mode_));
    if (at >> 52 != 0 || at % bytes != 0) {
      throw std::runtime_error("no address of an entry: " + address.dump());
    }
    memory_.WriteEntry(MachineAddr(at), EntryBytes(mode_), Number(value));
  }

  const Json& record_;
  PagingMode mode_;
  MachineModel model_;
  PhysMemory memory_;
  Counters counters_;
  CycleClock clock_;
  Mmu mmu_;
};

}  // namespace xmmu::golden

#endif  // XMMU_TESTS_MMU_GOLDEN_REPLAY_H_
