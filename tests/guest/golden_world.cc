#include "guest/golden_world.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "xen/layout.h"
#include "xmmu/base/check.h"
#include "xmmu/policy/policies.h"

namespace xmmu::golden {
namespace {

constexpr uint64_t kMemoryFrames = uint64_t{1} << 20;
// Frames of the machine that are not RAM, or not there at all.
constexpr Mfn kVgaFrame{0xb8};
constexpr Mfn kLocalApic{0xfee00};
constexpr Mfn kHole{0xfd000};
constexpr Mfn kRom{0xfffff};
constexpr Mfn kAllOnes{(uint64_t{1} << 40) - 1};

uint64_t Hex(const Json& text) {
  return std::stoull(text.get<std::string>(), nullptr, 16);
}

bool IsPoolFrame(const std::string& name) {
  return std::isdigit(static_cast<unsigned char>(name[0])) != 0;
}

std::string TypeName(PageType type) {
  switch (type) {
    case PageType::kNone:
      return "none";
    case PageType::kSegDesc:
      return "seg";
    case PageType::kWritable:
      return "wr";
    case PageType::kShared:
      return "shared";
    default:
      return absl::StrCat("L", LevelOf(type));
  }
}

std::string Sorted(std::string letters) {
  std::sort(letters.begin(), letters.end());
  return letters;
}

// A page state with its letters in the order of StateOf().
Json SortedState(Json state) {
  state[3] = Sorted(state[3].get<std::string>());
  return state;
}

}  // namespace

std::string FrameName(const Json& frame) {
  return frame.is_string() ? frame.get<std::string>()
                           : std::to_string(frame.get<int>());
}

World::World(const Json& header)
    : model_(*FindMachine("skylake-2017")),
      mode_(header["levels"] == 3 ? PagingMode::kPae : PagingMode::k4Level),
      host_(std::make_unique<Host>(
          model_, HostOptions{.cpus = 1,
                              .timing = MemoryTiming::kFlat,
                              .memory_frames = kMemoryFrames})),
      policy_(FindPolicy("trap-and-emulate")->make(*host_)) {
  Domain* const domain =
      host_
          ->CreateDomain({.mode = mode_,
                          .memory_frames = 1024,
                          .io_privileged = header["io_privileged"] == true})
          .value();
  context_ = &domain->vcpu(0);
  vcpu_ = std::make_unique<Vcpu>(*host_, *policy_, *context_,
                                 policy_->Abi(mode_).value());
  MarkMachineFrames();
  PlaceNamedFrames(header);
  WriteTables(header["layout"]);
  ChooseOpaqueTable(header["layout"]);
  const Gfn root(frames_.at("B").value());
  XMMU_CHECK(policy_->StartVcpu(*context_, root, kInvalidGfn).ok());
  XMMU_CHECK(vcpu_->Hypercall(VmAssistCall{.enable = true}).status.ok());
  MapOpaquely(header["init"]);
  ShowMachphysMap();
  ReachInitialStates(header["init"]);
  NoteXenTables();
  base_ = "B";
}

void World::MarkMachineFrames() {
  FrameTable& frames = host_->frames();
  // Xen: assign_io_page.
  for (const Mfn mfn : {Mfn(0), kVgaFrame}) {
    PageInfo& page = frames[mfn];
    page.owner = kDomIo;
    page.allocated = true;
    page.ref_count = 1;
    page.type = PageType::kWritable;
    page.type_count = 1;
    page.validated = true;
  }
  for (const Mfn mfn : {kLocalApic, kHole, kRom}) frames[mfn].is_ram = false;
  frames_["Z"] = Mfn(0);
  frames_["I"] = kVgaFrame;
  frames_["A"] = kLocalApic;
  frames_["O"] = kHole;
  frames_["P"] = kHole;  // PAE guests have none, and are refused what they ask
  frames_["H"] = Mfn(uint64_t{1} << (model_.features.maxphyaddr - kPageShift));
  frames_["N"] = kAllOnes;
  frames_["X"] = host_->AllocXenFrame();
  // "x" is no frame of the record; it stands for all frames without a name.
  frames_["x"] = host_->AllocXenFrame();
  const Mfn m2p = host_->AllocXenFrame();
  frames_["M"] = m2p;
  PageInfo& page = frames[m2p];
  page.owner = kDomXen;
  page.ref_count = 1;
  page.xen_heap = true;
  page.type_count = 1;
  page.validated = true;
}

Mfn World::NewFrame(const std::string& name) {
  const Mfn mfn = context_->domain->p2m().MfnOf(Pfn(next_pfn_++));
  frames_[name] = mfn;
  return mfn;
}

void World::PlaceNamedFrames(const Json& header) {
  for (const auto& [name, state] : header["init"].items()) {
    const Mfn mfn = NewFrame(name);
    if (IsPoolFrame(name) || name == "W" || name == "B") {
      expected_[name] = host_->AllocXenFrame();
    }
    if (name == "S") host_->frames()[mfn].xen_heap = true;
  }
  for (const auto& [name, mfn] : frames_) {
    if (name != "x") named_.insert(mfn);
  }
}

void World::WriteTables(const Json& layout) {
  for (const auto& [table, entries] : layout.items()) {
    for (const auto& [slot, value] : entries.items()) {
      const uint64_t offset = std::stoull(slot) * 8;
      memory().Write64(AddressOf(frames_.at(table)) + offset, Value(value));
    }
  }
}

// The kernel's own mappings are in L1s of which the record tells no more than
// that they are there: PAE's are named, 64-bit has one of ours in a slot that
// scripts leave alone.
void World::ChooseOpaqueTable(const Json& layout) {
  if (pae()) {
    opaque_ = frames_.at("Q");
    for (const auto& [slot, value] : layout["K"].items()) {
      if (value[0] != "Q") continue;
      scratch_ = VirtAddr((3u << 30) + (std::stoull(slot) << 21));
    }
  } else {
    constexpr uint64_t kSlot = 129;
    opaque_ = NewFrame("opaque");
    memory().Write64(AddressOf(frames_.at("P")) + kSlot * 8,
                     Pte(opaque_, 0x67).raw());
    scratch_ = VirtAddr(~uint64_t{0} << 48 | uint64_t{511} << 39 |
                        uint64_t{510} << 30 | kSlot << 21);
  }
  scratch_ += uint64_t{kScratchSlot} << kPageShift;
}

// Maps what `init` says has more references than the named tables account for.
void World::MapOpaquely(const Json& init) {
  MachineAddr entry = AddressOf(opaque_);
  for (const auto& [name, state] : init.items()) {
    const Mfn mfn = frames_.at(name);
    const PageInfo& page = host_->frames()[mfn];
    while (page.ref_count < state[2].get<uint64_t>()) {
      const bool writable = page.type_count < state[1].get<uint64_t>();
      const std::array map = {
          MmuUpdate{entry, Pte(mfn, writable ? 0x67 : 0x25).raw()}};
      XMMU_CHECK(vcpu_->Hypercall(MmuUpdateCall{.requests = map}).status.ok());
      entry += uint64_t{8};
    }
  }
}

// Puts the machine-to-physical table into the first of Xen's slots of K, whose
// copies show it.
void World::ShowMachphysMap() {
  if (!pae()) return;
  const auto first = static_cast<uint64_t>(XenSlotsOf(mode_).first);
  memory().Write64(AddressOf(frames_.at("K")) + first * 8,
                   Pte(frames_.at("M"), 0x81).raw());
}

void World::ReachInitialStates(const Json& init) {
  for (const auto& [name, state] : init.items()) {
    states_[name] = SortedState(state);
    XMMU_CHECK(StateOf(frames_.at(name)) == states_[name]);
  }
  for (const auto& [name, copy] : expected_) {
    memory().CopyFrame(copy, frames_.at(name));
  }
}

Mfn World::FrameOf(const Json& frame) const {
  if (frame.is_null()) return Mfn(0);
  return frames_.at(FrameName(frame));
}

MachineAddr World::Entry(const Json& table, const Json& slot) const {
  return AddressOf(FrameOf(table)) + slot.get<uint64_t>() * 8;
}

uint64_t World::Value(const Json& value) const {
  return Pte(FrameOf(value[0]), Hex(value[1])).raw();
}

bool World::Matches(const Json& value, uint64_t raw) const {
  if (value[0] != "x") return raw == Value(value);
  return Pte(raw).flags() == Hex(value[1]) &&
         !named_.contains(Pte(raw).frame());
}

Json World::StateOf(Mfn mfn) const {
  const PageInfo& page = std::as_const(*host_).frames()[mfn];
  if (page.ref_count == 0) return Json::array({"free", 0, 0, ""});
  std::string letters;
  if (page.validated) letters += 'v';
  if (page.pinned) letters += 'p';
  if (page.non_coherent) letters += 'n';
  if (page.pae_xen_l2) letters += 'h';
  if (!page.allocated) letters += 'f';
  return Json::array(
      {TypeName(page.type), page.type_count, page.ref_count, Sorted(letters)});
}

std::string World::Compare(const Json& record) {
  NoteXenTables();
  ShowMachphysMap();
  ImitateQuirk(record);
  std::string difference = CompareStates(record);
  if (difference.empty()) difference = CompareBases(record);
  if (difference.empty()) difference = CompareWords(record);
  if (difference.empty()) difference = Audit();
  return difference;
}

// Recounts all references: only imitated leaks may be unaccounted for.
std::string World::Audit() const {
  return std::string(AuditDomain(*host_, *context_->domain, leaks_).message());
}

// "shared-l2-leak": the kernel-slot L2 of the refused L3 keeps a reference of
// both kinds for good.
void World::ImitateQuirk(const Json& record) {
  if (record.value("quirk", "") != "shared-l2-leak") return;
  for (const auto& [name, state] : record["st"].items()) {
    const Mfn mfn = frames_.at(name);
    Json leaked = StateOf(mfn);
    leaked[1] = leaked[1].get<uint64_t>() + 1;
    leaked[2] = leaked[2].get<uint64_t>() + 1;
    const bool kernel_l2 = host_->frames()[mfn].pae_xen_l2;
    if (!kernel_l2 || leaked != SortedState(state)) continue;
    leaks_.push_back({mfn, PageType::kL2});
    ++host_->frames()[mfn].type_count;
    ++host_->frames()[mfn].ref_count;
  }
}

std::string World::CompareStates(const Json& record) {
  if (record.contains("st")) {
    for (const auto& [name, state] : record["st"].items()) {
      states_[name] = SortedState(state);
      ++compared_.states;
    }
  }
  for (const auto& [name, state] : states_) {
    const Json here = StateOf(frames_.at(name));
    if (here != state) {
      return "frame " + name + " is " + here.dump() + ", recorded " +
             state.dump();
    }
  }
  return "";
}

std::string World::CompareBases(const Json& record) {
  if (record.contains("base")) base_ = record["base"];
  if (record.contains("ubase")) user_base_ = record["ubase"];
  if (context_->guest_table != FrameOf(base_)) return "another base pointer";
  const bool unset = user_base_.is_null() || user_base_ == "Z";
  const Mfn user = unset ? kInvalidMfn : FrameOf(user_base_);
  if (context_->guest_table_user != user) return "another user base pointer";
  return "";
}

// Notes the words that the record says have changed.
void World::ApplyWords(const Json& words) {
  const XenSlots xen = XenSlotsOf(mode_);
  for (const Json& word : words) {
    const int slot = word[1];
    const uint64_t offset = static_cast<uint64_t>(slot) * 8;
    const MachineAddr copy =
        AddressOf(expected_.at(FrameName(word[0]))) + offset;
    const MachineAddr here = AddressOf(FrameOf(word[0])) + offset;
    const Json value = Json::array({word[2], word[3]});
    const bool of_xen = word[2] == "x" || word[2] == "X" || word[2] == "M";
    if (of_xen && xen.Contains(slot)) {
      memory().Write64(here, Value(value));
      memory().Write64(copy, Value(value));
      xen_tables_.insert(FrameName(word[0]));
      continue;
    }
    // A frame without a name: what is here is as good as another.
    const uint64_t raw = memory().Read64(here);
    const bool any = word[2] == "x" && Matches(value, raw);
    memory().Write64(copy, any ? raw : Value(value));
  }
}

std::string World::CompareWords(const Json& record) {
  if (record.contains("mem")) {
    ApplyWords(record["mem"]);
    compared_.words += record["mem"].size();
  }
  for (const auto& [name, copy] : expected_) {
    const Mfn mfn = frames_.at(name);
    if (xen_tables_.contains(name)) RestoreXenSlots(mfn, copy);
    if (memory().SameContent(mfn, copy)) continue;
    return CompareFrame(name, mfn, copy);
  }
  return "";
}

std::string World::CompareFrame(const std::string& name, Mfn mfn,
                                Mfn expected) {
  for (uint64_t slot = 0; slot < 512; ++slot) {
    const uint64_t here = memory().Read64(AddressOf(mfn) + slot * 8);
    const uint64_t there = memory().Read64(AddressOf(expected) + slot * 8);
    if (here == there) continue;
    char text[120];
    std::snprintf(text, sizeof text, "slot %d is %#llx, recorded %#llx",
                  static_cast<int>(slot), static_cast<unsigned long long>(here),
                  static_cast<unsigned long long>(there));
    return "frame " + name + " " + text;
  }
  return "frame " + name + " has another content token";
}

void World::NoteXenTables() {
  for (const auto& [name, copy] : expected_) {
    const PageInfo& page = host_->frames()[frames_.at(name)];
    if (page.type == PageType::kL4 || page.pae_xen_l2) xen_tables_.insert(name);
  }
}

// Takes from the record what Xen keeps in its slots.
void World::RestoreXenSlots(Mfn mfn, Mfn expected) {
  const XenSlots slots = XenSlotsOf(mode_);
  for (int slot = slots.first; slot <= slots.last; ++slot) {
    const uint64_t offset = static_cast<uint64_t>(slot) * 8;
    memory().Write64(AddressOf(mfn) + offset,
                     memory().Read64(AddressOf(expected) + offset));
  }
}

}  // namespace xmmu::golden
