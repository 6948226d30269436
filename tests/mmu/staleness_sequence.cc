#include "mmu/staleness_sequence.h"

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

namespace xmmu::staleness {
namespace {

constexpr uint64_t kFirstTable = 0x1000000;
constexpr int kTablesPerLevel = 2;
constexpr size_t kMostVersions = 400;

}  // namespace

Sequence::Sequence(const SequenceOptions& options)
    : options_(options), random_(options.seed) {
  store_share_ = 10 + Below(30);
  operation_share_ = 3 + Below(25);
  // A sequence leaves some operations out: one that drops much would hide what
  // another forgets to drop.
  for (int op = 0; op <= static_cast<int>(Op::kReset); ++op) {
    const uint64_t weight = std::array<uint64_t, 4>{0, 0, 1, 3}[Below(4)];
    operations_.insert(operations_.end(), weight, static_cast<Op>(op));
  }
  operations_.push_back(Op::kInvlpg);
  MakeAddresses();
  MakeTables();
  Registers registers;
  registers.levels = options_.levels;
  registers.root = tables_.back()[0];
  registers.pke = options_.levels > 3;
  if (options_.levels > 3 && Chance(2)) {
    // Several address spaces are in use.
    registers.pcide = true;
    operations_.insert(operations_.end(), 3, Op::kMovCr3);
  }
  for (int cpu = 0; cpu < options_.cpus; ++cpu) {
    cpus_.push_back(options_.make_cpu(memory_, registers));
    checkers_.emplace_back(options_.cpuid, memory_, registers);
  }
}

int Sequence::top_level() const {
  return options_.flips_pae ? 3 : options_.levels;
}

// Two slots a level, the same at all levels.
void Sequence::MakeAddresses() {
  const int levels = top_level();
  const int index_bits = levels == 2 ? 10 : 9;
  const int top = levels <= 3 ? 32 : levels == 4 ? 48 : 57;
  const uint64_t slots[] = {Below(1u << index_bits), Below(1u << index_bits)};
  const uint64_t count = 4 + Below(10);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t va = 0;
    for (int level = levels; level >= 1; --level) {
      va = va << index_bits | slots[Below(2)];
    }
    va <<= 12;
    const uint64_t above = ~uint64_t{0} << (top - 1);
    if (levels <= 3) {
      va &= 0xffffffff;
    } else {
      va = (va >> (top - 1) & 1) != 0 ? va | above : va & ~above;
    }
    addresses_.push_back(va);
  }
}

void Sequence::MakeTables() {
  uint64_t next = kFirstTable;
  std::set<uint64_t> words;
  tables_.resize(static_cast<size_t>(top_level()) + 1);
  for (size_t level = 1; level < tables_.size(); ++level) {
    for (int i = 0; i < kTablesPerLevel; ++i, next += 0x1000) {
      tables_[level].push_back(next);
    }
  }
  for (const int levels : {2, 3, 4, 5}) {
    const bool used =
        levels == options_.levels || (options_.flips_pae && levels <= 3);
    if (!used) continue;
    for (uint64_t table = kFirstTable; table < next; table += 0x1000) {
      const int own =
          static_cast<int>((table - kFirstTable) / 0x1000) / kTablesPerLevel +
          1;
      for (const uint64_t va : addresses_) {
        for (int level = 1; level <= levels; ++level) {
          const uint64_t address = EntryAddress(levels, level, table, va);
          words.insert(address & ~uint64_t{7});
          const bool pae_root = levels == 2 && level == 2 && own == 3;
          if (level != own && !pae_root) continue;
          memory_.WriteEntry(MachineAddr(address), EntryBytes(levels),
                             RandomEntry(levels, level));
        }
      }
    }
  }
  // The first load of the PDPTE registers, if there are any, is to succeed.
  if (options_.levels == 3) {
    for (uint64_t slot = 0; slot < 4; ++slot) {
      const MachineAddr pdpte(tables_.back()[0] + slot * 8);
      memory_.Write64(pdpte, memory_.Read64(pdpte) & ~uint64_t{0x1e6});
    }
  }
  for (const uint64_t address : words) {
    const MachineAddr word(address);
    watched_.push_back({address, memory_.Read64(word)});
  }
}

// A table to be used at `level`; now and then one of another level.
uint64_t Sequence::TableFor(int levels, int level) {
  if (Chance(12)) level = 1 + static_cast<int>(Below(tables_.size() - 1));
  // A page directory of 2-level paging is a root.
  if (levels == 2 && level == 2 && Chance(2)) return Pick(tables_.back());
  return Pick(tables_[static_cast<size_t>(level)]);
}

// A page that no other leaf names, as far as frames last.
uint64_t Sequence::RandomLeaf(int levels, int level) {
  const int shift = LevelShift(levels, level);
  const int width = levels == 2 ? 32 : options_.cpuid.maxphyaddr;
  const uint64_t frame = next_frame_++ % (uint64_t{1} << (width - shift));
  uint64_t entry = frame << shift;
  if (levels == 2 && level == 2) entry |= Below(16) << 13;  // PSE-36
  return level == 1 ? entry : entry | 0x80;
}

uint64_t Sequence::RandomEntry(int levels, int level) {
  if (levels == 3 && level == 3) {
    const uint64_t reserved = Chance(40) ? 2 : 0;
    return TableFor(levels, 2) | reserved | (Chance(10) ? 0 : 1);
  }
  const bool may_be_large = level == 2 || (level == 3 && levels > 3);
  const bool leaf = level == 1 || (may_be_large && Chance(4));
  uint64_t entry =
      leaf ? RandomLeaf(levels, level) : TableFor(levels, level - 1);
  const auto few = static_cast<uint64_t>(levels);
  if (!Chance(4 * few)) entry |= 1;
  if (!Chance(2 * few)) entry |= 2;
  if (!Chance(2 * few)) entry |= 4;
  entry |= random_() & 0x60;  // A, D
  if (leaf && Chance(3)) entry |= 0x100;
  if (levels == 2) return entry;
  if (Chance(3 * few)) entry |= uint64_t{1} << 63;
  if (Chance(12 * few)) entry |= uint64_t{1} << (36 + Below(16));
  if (levels > 3 && leaf && Chance(3)) entry |= uint64_t{1} << 59;
  return entry;
}

// A new entry, or one bit of an old one turned.
void Sequence::Store() {
  const Checker& any = checkers_[Below(checkers_.size())];
  const int levels = any.registers().levels;
  const int level = 1 + static_cast<int>(Below(static_cast<uint64_t>(levels)));
  const uint64_t table = TableFor(levels, level);
  const uint64_t address = EntryAddress(levels, level, table, Pick(addresses_));
  const int bytes = EntryBytes(levels);
  uint64_t entry = memory_.ReadEntry(MachineAddr(address), bytes);
  const bool pdpte = levels == 3 && level == 3;
  if (entry == 0 || pdpte || Chance(2)) {
    entry = RandomEntry(levels, level);
  } else if (Chance(16) && bytes == 8) {
    entry ^= uint64_t{1} << 63;
  } else {
    entry ^= uint64_t{1} << std::array{0, 1, 1, 2, 2, 5, 6, 8}[Below(8)];
  }
  memory_.WriteEntry(MachineAddr(address), bytes, entry);
  static_cast<void>(CollectChanges());
  log_.push_back({.kind = Step::kStore, .address = address, .value = entry});
}

Access Sequence::RandomAccess() {
  uint64_t va = Pick(addresses_) | Below(512) * 8;
  if (Chance(200)) va ^= uint64_t{1} << (57 + Below(7));
  return {VirtAddr(va), static_cast<AccessKind>(Below(4)), Chance(2)};
}

std::vector<Change> Sequence::CollectChanges() {
  std::vector<Change> changes;
  for (Watched& word : watched_) {
    const uint64_t now = memory_.Read64(MachineAddr(word.address));
    if (now == word.value) continue;
    changes.push_back({word.address, word.value, now});
    word.value = now;
  }
  return changes;
}

bool Sequence::DoAccess(size_t cpu) {
  const Access access = RandomAccess();
  Checker& checker = checkers_[cpu];
  checker.Prepare(access);
  const Outcome fresh = checker.Fresh(access);
  const Outcome outcome = cpus_[cpu]->Perform(access);
  const std::vector<Change> changes = CollectChanges();
  log_.push_back({.kind = Step::kAccess,
                  .cpu = cpu,
                  .access = access,
                  .outcome = outcome});
  translated_ += outcome.kind == Outcome::kOk ? 1 : 0;
  stale_ += outcome != fresh ? 1 : 0;
  if (checker.Accepts(access, outcome, changes)) return true;
  std::ostringstream out;
  out << "CPU " << cpu << " answered " << Describe(outcome) << std::hex;
  for (const Change& change : changes) {
    out << ", word at " << change.address << " went from " << change.before
        << " to " << change.after;
  }
  out << "; permitted:\n" << checker.Permitted();
  complaint_ = out.str();
  return false;
}

bool Sequence::DoProbe(size_t cpu) {
  const Access access = RandomAccess();
  const bool look = Chance(8);
  const uint64_t before = look ? cpus_[cpu]->CacheDigest() : 0;
  const Outcome outcome = cpus_[cpu]->Probe(access);
  log_.push_back(
      {.kind = Step::kProbe, .cpu = cpu, .access = access, .outcome = outcome});
  const bool no_trace = CollectChanges().empty() &&
                        (!look || before == cpus_[cpu]->CacheDigest());
  const Outcome fresh = checkers_[cpu].Fresh(access);
  if (outcome == fresh && no_trace) return true;
  complaint_ = "a probe answered " + Describe(outcome) +
               (no_trace ? "" : " and left a trace") +
               "; permitted: " + Describe(fresh);
  return false;
}

bool Sequence::DoOperation(size_t cpu) {
  const Registers& registers = checkers_[cpu].registers();
  Operation operation = RandomOperation(registers);
  if (checkers_[cpu].versions() > kMostVersions) operation.op = Op::kFlushAll;
  Fit(registers, operation);
  log_.push_back(
      {.kind = Step::kOperation, .cpu = cpu, .operation = operation});
  const bool permitted = checkers_[cpu].Follow(operation);
  const bool loads_cr3 =
      operation.op == Op::kMovCr3 || operation.op == Op::kFlushNonGlobal;
  if (permitted && loads_cr3 && options_.speculates) {
    checkers_[cpu].Speculate();
  }
  if (cpus_[cpu]->Perform(operation) == permitted) return true;
  complaint_ = permitted ? "unexpected #GP" : "#GP for a PDPTE did not come";
  return false;
}

Operation Sequence::RandomOperation(const Registers& registers) {
  Operation operation;
  operation.op = Pick(operations_);
  if (!registers.paging && Chance(2)) operation.op = Op::kPaging;
  operation.va = Pick(addresses_) | Below(0x1000);
  if (Chance(30)) operation.va ^= uint64_t{1} << 60;
  // Anywhere in a large page will do.
  if (Chance(4)) operation.va ^= Below(512) << 12;
  operation.pcid = static_cast<uint16_t>(Below(3));
  operation.root = Pick(tables_.back());
  operation.no_flush = Chance(2);
  operation.on = Chance(2);
  operation.pkru = static_cast<uint32_t>(Below(16));
  return operation;
}

void Sequence::Fit(const Registers& registers, Operation& operation) {
  const bool long_mode = registers.levels > 3;
  switch (operation.op) {
    case Op::kInvlpg:
    case Op::kInvpcidContext:
    case Op::kInvpcidAddress: {
      const bool invpcid = operation.op != Op::kInvlpg;
      if (invpcid && !IsCanonical(registers.levels, operation.va)) {
        operation.va = addresses_[0];
      }
      if (!registers.pcide) operation.pcid = 0;
      break;
    }
    case Op::kMovCr3:
      if (!registers.pcide) operation.pcid = 0;
      operation.no_flush = operation.no_flush && registers.pcide;
      break;
    case Op::kPcide:
      if (!long_mode || !registers.paging) operation.on = false;
      if (registers.cr3_low != 0 && !registers.pcide) operation.on = false;
      break;
    case Op::kTce:
      if (!options_.cpuid.amd) operation.op = Op::kInvlpg;
      break;
    case Op::kPae:
      if (!options_.flips_pae || !registers.paging) operation.op = Op::kInvlpg;
      break;
    case Op::kPaging:
      operation.on = !registers.paging || registers.pcide;
      break;
    default:
      break;
  }
}

bool Sequence::DoStep() {
  const size_t cpu = Below(cpus_.size());
  const uint64_t dice = Below(100);
  if (dice < store_share_) {
    Store();
    return true;
  }
  const bool stuck = !checkers_[cpu].registers().paging && options_.levels > 3;
  if (stuck || dice < store_share_ + operation_share_ ||
      checkers_[cpu].versions() > kMostVersions) {
    return DoOperation(cpu);
  }
  return Chance(20) ? DoProbe(cpu) : DoAccess(cpu);
}

std::optional<std::string> Sequence::Run() {
  for (int i = 0; i < options_.steps; ++i) {
    if (!DoStep()) return Report(complaint_);
  }
  return std::nullopt;
}

std::string Sequence::Report(const std::string& complaint) const {
  constexpr size_t kShown = 25;
  const Step& last = log_.back();
  std::vector<std::string> lines;
  for (size_t i = log_.size(); i-- > 0 && lines.size() < kShown;) {
    const Step& step = log_[i];
    std::ostringstream out;
    out << "  " << i << ": " << std::hex;
    if (step.kind == Step::kStore) {
      out << "store " << step.value << " at " << step.address;
    } else if (step.cpu != last.cpu) {
      continue;
    } else if (step.kind == Step::kOperation) {
      out << Describe(step.operation);
    } else {
      const uint64_t va = step.access.va.value();
      if ((va ^ last.access.va.value()) >> 30 != 0) continue;
      out << (step.kind == Step::kProbe ? "probe " : "access ") << va
          << " kind " << static_cast<int>(step.access.kind) << " user "
          << step.access.user << ": " << Describe(step.outcome);
    }
    lines.push_back(out.str());
  }
  std::ostringstream out;
  out << "levels " << options_.levels << " seed " << options_.seed << " step "
      << log_.size() << ": " << complaint << "\nlast steps of CPU " << last.cpu
      << " near that address, and all stores:\n";
  std::for_each(lines.rbegin(), lines.rend(),
                [&](const std::string& line) { out << line << "\n"; });
  return out.str();
}

}  // namespace xmmu::staleness
