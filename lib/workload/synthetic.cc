#include "xmmu/workload/synthetic.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/nearest_name.h"
#include "workload/scripted_workload.h"

namespace xmmu {
namespace {

// The region is aligned to what an L1 table maps in every mode.
constexpr VirtAddr kRegion{0x10000000};
constexpr uint32_t kFile = 1;

Step MapRegion(uint64_t pages) {
  return {{.kind = GuestOpKind::kMap,
           .rights = kMapRead | kMapWrite,
           .backing = Backing::kAnonymous,
           .va = kRegion,
           .length = pages * kPageSize}};
}
Step OnRegion(GuestOpKind kind, uint64_t pages, uint8_t rights = 0) {
  return {{.kind = kind,
           .rights = rights,
           .va = kRegion,
           .length = pages * kPageSize}};
}
Step StorePages(uint64_t pages) {
  return {{.kind = GuestOpKind::kStore, .va = kRegion, .length = 8},
          pages,
          kPageSize};
}
Step Child(GuestOpKind kind, TaskId child) {
  return {{.kind = kind, .child = child}};
}

using Values = std::span<const uint64_t>;

std::vector<Script> Touch(Values v) {
  return {{{1, {MapRegion(v[0]), StorePages(v[0])}}}};
}

// The child stores to `cow` of the pages, so that they are copied.
std::vector<Script> Fork(Values v) {
  const TaskId child = kFirstTask + 1;
  return {
      {{1,
        {MapRegion(v[0]), StorePages(v[0]), Child(GuestOpKind::kFork, child),
         Child(GuestOpKind::kWait, child)}}},
      {{1, {StorePages(std::min(v[0], v[1]))}}}};
}

// Stores at the end of each round show what the change of rights costs later.
std::vector<Script> Mprotect(Values v) {
  return {{{1, {MapRegion(v[0]), StorePages(v[0])}},
           {v[1],
            {OnRegion(GuestOpKind::kProtect, v[0], kMapRead),
             OnRegion(GuestOpKind::kProtect, v[0], kMapRead | kMapWrite),
             StorePages(v[0])}}}};
}

// Task 1 starts the others, and all take turns by yielding.
std::vector<Script> SwitchRing(Values v) {
  const uint64_t processes = v[0];
  const Loop turns{v[1], {StorePages(v[2]), {{.kind = GuestOpKind::kYield}}}};
  Loop start{1, {MapRegion(v[2])}};
  Loop finish{1, {}};
  std::vector<Script> scripts(processes, Script{turns});
  for (uint64_t i = 1; i < processes; ++i) {
    const TaskId child = kFirstTask + static_cast<TaskId>(i);
    start.steps.push_back(Child(GuestOpKind::kFork, child));
    finish.steps.push_back(Child(GuestOpKind::kWait, child));
  }
  scripts[0] = {start, turns, finish};
  return scripts;
}

// Each round maps anew, so that page tables come and go.
std::vector<Script> Churn(Values v) {
  return {{{v[1],
            {MapRegion(v[0]), StorePages(v[0]),
             OnRegion(GuestOpKind::kUnmap, v[0])}}}};
}

// The program reads `pages` of a file that it maps privately, and writes to
// some.
std::vector<Script> Files(Values v) {
  Step map = MapRegion(v[0]);
  map.op.backing = Backing::kFilePrivate;
  map.op.file = kFile;
  Step load = StorePages(v[0]);
  load.op.kind = GuestOpKind::kLoad;
  return {{{1, {map, load, StorePages(std::min(v[0], v[1]))}}}};
}

// Loads from each page in turn, at `stride` pages from one to the next, in as
// many passes as that takes. The pages are stored to before, in order. Each
// load is in another line, so that the caches hold what a program's would.
std::vector<Script> Walk(Values v) {
  const uint64_t pages = v[0];
  const uint64_t stride = std::min(v[2], pages);
  Loop make{1, {MapRegion(pages)}};
  if (v[3] != 0) make.steps.push_back(OnRegion(GuestOpKind::kAdvise, pages));
  make.steps.push_back(StorePages(pages));
  Loop walk{v[1], {}};
  for (uint64_t first = 0; first < stride; ++first) {
    walk.steps.push_back({{.kind = GuestOpKind::kLoad,
                           .va = kRegion + first * kPageSize,
                           .length = 8},
                          (pages - first + stride - 1) / stride,
                          stride * kPageSize,
                          /*turns_lines=*/true});
  }
  return {{make, walk}};
}

// The pages of one thread follow those of the one before; the common ones come
// first.
std::vector<Script> Threads(Values v) {
  const uint64_t threads = v[0], pages = v[1], shared = v[2], rounds = v[3];
  Step map_shared = MapRegion(shared);
  Step load_shared = StorePages(shared);
  load_shared.op.kind = GuestOpKind::kLoad;
  Loop start{1, {map_shared, StorePages(shared)}};
  Loop finish{1, {}};
  std::vector<Script> scripts;
  for (uint64_t i = 0; i < threads; ++i) {
    Loop work{rounds,
              {MapRegion(pages), StorePages(pages), load_shared,
               StorePages(shared), OnRegion(GuestOpKind::kUnmap, pages)}};
    for (const size_t own : {0u, 1u, 4u}) {
      work.steps[own].op.va += (shared + i * pages) * kPageSize;
    }
    scripts.push_back({work});
    if (i == 0) continue;
    const TaskId thread = kFirstTask + static_cast<TaskId>(i);
    start.steps.push_back(Child(GuestOpKind::kClone, thread));
    finish.steps.push_back(Child(GuestOpKind::kWait, thread));
  }
  scripts[0] = {start, scripts[0][0], finish};
  return scripts;
}

// The last call may bring less.
std::vector<Script> Read(Values v) {
  const uint64_t pages = v[0];
  const uint64_t call = std::min(v[1], pages);
  Step read = OnRegion(GuestOpKind::kCopyOut, call);
  read.count = pages / call;
  read.stride = call * kPageSize;
  Step rest = OnRegion(GuestOpKind::kCopyOut, pages % call);
  rest.op.va += read.count * read.stride;
  rest.count = pages % call == 0 ? 0 : 1;
  return {{{1, {MapRegion(pages), read, rest}}}};
}

// As many processes as Linux has by default (PID_MAX_DEFAULT).
constexpr uint64_t kMaxProcesses = 32768;

constexpr SyntheticParameter kPagesOnly[] = {
    {"pages", 1000, "pages stored to, one store each"}};
constexpr SyntheticParameter kForkParameters[] = {
    {"pages", 1000, "private pages present at the fork"},
    {"cow", 0, "of these, those that the child then stores to"}};
constexpr SyntheticParameter kMprotectParameters[] = {
    {"pages", 1000, "pages whose rights change"},
    {"rounds", 1, "to read-only, back, and one store to each page"}};
constexpr SyntheticParameter kSwitchParameters[] = {
    {"processes", 2, "processes that take turns", kMaxProcesses},
    {"rounds", 1000, "turns of each"},
    {"pages", 4, "pages each stores to in a turn"}};
constexpr SyntheticParameter kChurnParameters[] = {
    {"pages", 16, "pages mapped, stored to and unmapped"},
    {"rounds", 100, "times"}};

constexpr SyntheticParameter kFilesParameters[] = {
    {"pages", 1000, "file pages mapped privately and read"},
    {"writes", 0, "of these then stored to"}};

constexpr SyntheticParameter kWalkParameters[] = {
    {"pages", 2048, "pages stored to once, then loaded from"},
    {"rounds", 4, "loads from each"},
    {"stride", 1, "pages from one load to the next", 65536},
    {"huge", 0, "1: madvise(MADV_HUGEPAGE) before the first store", 1}};

constexpr SyntheticParameter kThreadsParameters[] = {
    {"threads", 4, "threads of one process", kMaxProcesses},
    {"pages", 64, "pages each maps, stores to and unmaps in a round"},
    {"shared", 16, "pages that all load from and store to in a round"},
    {"rounds", 10, "times"}};
constexpr SyntheticParameter kReadParameters[] = {
    {"pages", 1000, "fresh pages that the kernel writes to"},
    {"call", 16, "pages a read"}};

constexpr std::array<SyntheticWorkload, 9> kWorkloads = {{
    {"touch", "demand-zero faults: a store to each of N fresh pages",
     kPagesOnly},
    {"fork", "fork of a process with N private pages; exit of the child",
     kForkParameters},
    {"mprotect", "mprotect of N pages to read-only and back",
     kMprotectParameters},
    {"switch", "context-switch ring of P processes", kSwitchParameters},
    {"churn", "mmap, touch and munmap of N pages, over and over",
     kChurnParameters},
    {"files", "read faults on N pages of a file, copies of those written to",
     kFilesParameters},
    {"walk", "loads from N pages over and over: how far the TLBs reach",
     kWalkParameters},
    {"threads",
     "mmap, touch and munmap by T threads at once, beside shared pages",
     kThreadsParameters},
    {"read", "read(2) into N fresh pages: faults in kernel mode",
     kReadParameters},
}};

constexpr std::array kMakers = {&Touch, &Fork, &Mprotect, &SwitchRing, &Churn,
                                &Files, &Walk, &Threads,  &Read};
static_assert(kMakers.size() == kWorkloads.size());

constexpr size_t kMaxParameters = 4;

// These parameters count a part of what "pages" counts.
constexpr std::string_view kPages = "pages";
constexpr std::string_view kParts[] = {"cow", "writes"};

// Returns what is before and behind the first `separator` of `text`.
std::pair<std::string, std::string> Halves(std::string_view text,
                                           char separator) {
  return absl::StrSplit(absl::string_view(text.data(), text.size()),
                        absl::MaxSplits(separator, 1));
}

// Sets the parameter that "key=value" names.
absl::Status SetParameter(const SyntheticWorkload& workload,
                          std::string_view word, std::span<uint64_t> values) {
  const auto [key, text] = Halves(word, '=');
  for (size_t i = 0; i < workload.parameters.size(); ++i) {
    if (workload.parameters[i].name != key) continue;
    uint64_t value = 0;
    const uint64_t least = workload.parameters[i].default_value == 0 ? 0 : 1;
    const uint64_t most = workload.parameters[i].max_value;
    const bool digits = std::all_of(
        text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || !absl::SimpleAtoi(text, &value) || value > most ||
        value < least) {
      return absl::InvalidArgumentError(
          absl::StrFormat("workload %s: '%s': expected %s=NUMBER, %d to %d",
                          workload.name, word, key, least, most));
    }
    values[i] = value;
    return absl::OkStatus();
  }
  std::vector<std::string_view> names;
  for (const SyntheticParameter& p : workload.parameters) {
    names.push_back(p.name);
  }
  const std::string_view nearest = NearestName(key, names);
  return absl::InvalidArgumentError(absl::StrFormat(
      "workload %s: no parameter '%s'%s expected %s", workload.name, key,
      nearest.empty() ? ";" : absl::StrFormat(", did you mean %s?", nearest),
      absl::StrJoin(workload.parameters, ", ",
                    [](std::string* out, const SyntheticParameter& p) {
                      absl::StrAppendFormat(out, "%s=%d", p.name,
                                            p.default_value);
                    })));
}

// Refuses a part of the pages that is more than all of them.
absl::Status CheckParts(const SyntheticWorkload& workload,
                        std::span<const uint64_t> values) {
  uint64_t pages = 0;
  for (size_t i = 0; i < workload.parameters.size(); ++i) {
    const std::string_view name = workload.parameters[i].name;
    if (name == kPages) pages = values[i];
    const bool part = std::find(std::begin(kParts), std::end(kParts), name) !=
                      std::end(kParts);
    if (!part || values[i] <= pages) continue;
    return absl::InvalidArgumentError(
        absl::StrFormat("workload %s: '%s=%d' of pages=%d: expected 0 to %d",
                        workload.name, name, values[i], pages, pages));
  }
  return absl::OkStatus();
}

// Sets all parameters of "key=value,..."; a key that is given twice is a
// mistake.
absl::Status SetParameters(const SyntheticWorkload& workload,
                           const std::string& parameters,
                           std::span<uint64_t> values) {
  std::vector<std::string> given;
  for (absl::string_view word : absl::StrSplit(parameters, ',')) {
    const absl::Status status =
        SetParameter(workload, {word.data(), word.size()}, values);
    if (!status.ok()) return status;
    given.emplace_back(word.substr(0, word.find('=')));
    if (std::count(given.begin(), given.end(), given.back()) == 1) continue;
    return absl::InvalidArgumentError(absl::StrFormat(
        "workload %s: '%s' is given twice", workload.name, given.back()));
  }
  return CheckParts(workload, values);
}

}  // namespace

absl::StatusOr<std::vector<uint64_t>> WorkloadValues(
    const SyntheticWorkload& workload, std::string_view spec) {
  std::vector<uint64_t> values;
  for (const SyntheticParameter& parameter : workload.parameters) {
    values.push_back(parameter.default_value);
  }
  if (spec.find(':') == std::string_view::npos) return values;
  const absl::Status status =
      SetParameters(workload, Halves(spec, ':').second, values);
  if (!status.ok()) return status;
  return values;
}

std::span<const SyntheticWorkload> SyntheticWorkloads() { return kWorkloads; }

// The name spells out all parameters, defaults too, so that reports say exactly
// what ran.
absl::StatusOr<std::unique_ptr<Workload>> MakeSyntheticWorkload(
    std::string_view spec) {
  const std::string name = Halves(spec, ':').first;
  for (size_t i = 0; i < kWorkloads.size(); ++i) {
    const SyntheticWorkload& workload = kWorkloads[i];
    if (workload.name != name) continue;
    const auto values = WorkloadValues(workload, spec);
    if (!values.ok()) return values.status();
    std::vector<std::string> words;
    for (size_t p = 0; p < workload.parameters.size(); ++p) {
      words.push_back(
          absl::StrFormat("%s=%d", workload.parameters[p].name, (*values)[p]));
    }
    return std::make_unique<ScriptedWorkload>(
        absl::StrFormat("%s:%s", workload.name, absl::StrJoin(words, ",")),
        kMakers[i](*values));
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "no workload '%s'; expected %s", name,
      absl::StrJoin(kWorkloads, ", ",
                    [](std::string* out, const SyntheticWorkload& w) {
                      out->append(w.name);
                    })));
}

}  // namespace xmmu
