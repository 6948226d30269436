#include "report/xentrace_lines.h"

namespace xmmu {
namespace {

using MaybeCount = std::optional<uint64_t>;

constexpr uint32_t kMmuUpdateCall = 1;
constexpr uint32_t kMulticallCall = 13;
constexpr uint32_t kMmuextOpCall = 26;

Cell CellOfCount(const MaybeCount& count) {
  return count.has_value() ? Cell(*count) : Cell();
}

constexpr FieldOf<XentraceLine> kXentraceFields[] = {
    {1, "table", "", "what is counted: event, hypercall, exit or cpu",
     [](const XentraceLine& l) { return l.table; }},
    {1, "number", "", "number of the event, hypercall, exit reason or CPU",
     [](const XentraceLine& l) { return l.number; }},
    {1, "name", "",
     "Xen's name of the event or hypercall; of an exit whose reason it is",
     [](const XentraceLine& l) { return l.name; }},
    {1, "records", "records",
     "records in the file; of a hypercall those of its own, not as a member",
     [](const XentraceLine& l) { return l.records; }},
    {1, "calls", "calls", "of these, hypercalls that begin",
     [](const XentraceLine& l) { return CellOfCount(l.calls); }},
    {1, "continuations", "records",
     "of these, what goes on with a call that was preempted",
     [](const XentraceLine& l) { return CellOfCount(l.continuations); }},
    {1, "operations", "operations",
     "what the calls carried: updates of mmu_update, operations of mmuext_op, "
     "members of multicalls that were executed",
     [](const XentraceLine& l) { return CellOfCount(l.operations); }},
    {1, "members", "records", "records as a member of a multicall",
     [](const XentraceLine& l) { return CellOfCount(l.members); }},
    {1, "member_continuations", "records",
     "of these, what goes on with a member that was preempted",
     [](const XentraceLine& l) { return CellOfCount(l.member_continuations); }},
    {1, "member_operations", "operations", "what the members carried",
     [](const XentraceLine& l) { return CellOfCount(l.member_operations); }},
    {1, "windows", "", "stretches of the file with records of the CPU",
     [](const XentraceLine& l) { return CellOfCount(l.windows); }},
    {1, "lost", "records", "records that the CPU lost, as LOST_RECORDS says",
     [](const XentraceLine& l) { return CellOfCount(l.lost); }},
    {1, "first_tsc", "cycles", "TSC of the first record with a time",
     [](const XentraceLine& l) { return CellOfCount(l.first_tsc); }},
    {1, "last_tsc", "cycles", "TSC of the last one",
     [](const XentraceLine& l) { return CellOfCount(l.last_tsc); }},
    {1, "went_back", "records", "records with a TSC below the one before",
     [](const XentraceLine& l) { return CellOfCount(l.went_back); }},
};

void AddEvents(const XentraceCounts& counts, std::vector<XentraceLine>& lines) {
  for (const auto& [event, records] : counts.events()) {
    XentraceLine& line = lines.emplace_back();
    line.table = kEventTable;
    line.number = event;
    line.name = std::string(XentraceEventName(event));
    line.records = records;
    line.words = counts.words_of(event);
  }
}

// A multicall that was cut short enters again without a flag, and its count is
// what is left: how many went on, and how much was done, its members tell.
void SetMulticall(const XentraceCounts& counts, XentraceLine& line) {
  line.continuations = counts.multicalls_cut();
  line.operations = MembersExecuted(counts);
}

void AddHypercalls(const XentraceCounts& counts,
                   std::vector<XentraceLine>& lines) {
  for (uint32_t i = 0; i < XentraceCounts::kNumbers; ++i) {
    const XentraceCounts::Call& call = counts.call(i);
    if (call.records + call.members == 0) continue;
    XentraceLine& line = lines.emplace_back();
    line.table = kHypercallTable;
    line.number = i;
    line.name = std::string(HypercallName(i));
    line.records = call.records;
    line.continuations = call.continuations;
    line.members = call.members;
    line.member_continuations = call.member_continuations;
    if (i == kMmuUpdateCall || i == kMmuextOpCall) {
      line.operations = call.operations;
      line.member_operations = call.member_operations;
    }
    if (i == kMulticallCall) SetMulticall(counts, line);
    line.calls = line.records - *line.continuations;
  }
}

void AddExits(const absl::btree_map<uint32_t, uint64_t>& exits,
              std::string_view whose, std::vector<XentraceLine>& lines) {
  for (const auto& [reason, records] : exits) {
    XentraceLine& line = lines.emplace_back();
    line.table = kExitTable;
    line.number = reason;
    line.name = std::string(whose);
    line.records = records;
  }
}

void AddCpus(const XentraceSummary& summary, std::vector<XentraceLine>& lines) {
  const auto& known = summary.counts.cpus();
  for (const auto& [number, windows] : summary.windows_by_cpu) {
    XentraceLine& line = lines.emplace_back();
    line.table = kCpuTable;
    line.number = number;
    line.windows = windows;
    const auto found = known.find(number);
    const XentraceCounts::Cpu cpu =
        found == known.end() ? XentraceCounts::Cpu{} : found->second;
    line.records = cpu.records;
    line.lost = cpu.lost;
    line.went_back = cpu.went_back;
    if (cpu.seen.first > cpu.seen.last) continue;
    line.first_tsc = cpu.seen.first;
    line.last_tsc = cpu.seen.last;
  }
}

}  // namespace

std::span<const FieldOf<XentraceLine>> XentraceFields() {
  return kXentraceFields;
}

uint64_t MembersExecuted(const XentraceCounts& counts) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < XentraceCounts::kNumbers; ++i) {
    sum += counts.call(i).members;
  }
  return sum;
}

std::vector<XentraceLine> LinesOfXentrace(const XentraceSummary& summary) {
  std::vector<XentraceLine> lines;
  AddEvents(summary.counts, lines);
  AddHypercalls(summary.counts, lines);
  AddExits(summary.counts.exits(), "VMX or SVM", lines);
  AddExits(summary.counts.svm_exits(), "SVM", lines);
  AddCpus(summary, lines);
  return lines;
}

}  // namespace xmmu
