// Measures the packed trace beside the gzipped logs of Lackey that it was made
// of: bytes an operation, and the time from file to GuestOps, each file in the
// system's cache. The recordings are those of the tests; XMMU_BENCH_LOGS names
// the logs of another one, separated by spaces.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "xmmu/base/check.h"
#include "xmmu/workload/packed_trace.h"
#include "xmmu/workload/trace.h"

namespace xmmu {
namespace {

struct Recording {
  std::string name;
  std::vector<std::string> logs;
  std::string packed;
};

uint64_t BytesOf(const std::vector<std::string>& files) {
  uint64_t bytes = 0;
  for (const std::string& file : files) {
    bytes += std::filesystem::file_size(file);
  }
  return bytes;
}

// Reads all tasks to their ends and returns how many operations they have.
uint64_t ReadAll(const std::vector<std::string>& files) {
  const auto trace = OpenTrace(files, {});
  XMMU_CHECK(trace.ok());
  std::vector<TaskId> live = {(*trace)->first_task()};
  uint64_t operations = 0;
  while (!live.empty()) {
    const TaskId task = live.back();
    const auto ops = (*trace)->Next(task);
    XMMU_CHECK(ops.ok());
    operations += ops->size();
    if (ops->back().kind == GuestOpKind::kExit) live.pop_back();
    for (const GuestOp& op : *ops) {
      if (StartsTask(op.kind)) live.push_back(op.child);
    }
  }
  return operations;
}

void Read(benchmark::State& state, const std::vector<std::string>& files) {
  uint64_t operations = 0;
  for (auto _ : state) operations = ReadAll(files);
  const auto count = static_cast<double>(operations);
  state.counters["operations"] = count;
  state.counters["bytes"] = static_cast<double>(BytesOf(files));
  state.counters["bits_an_operation"] =
      8 * static_cast<double>(BytesOf(files)) / count;
  state.SetItemsProcessed(static_cast<int64_t>(operations) *
                          static_cast<int64_t>(state.iterations()));
}

void Write(benchmark::State& state, const Recording& recording) {
  const std::string path = recording.packed + ".again";
  uint64_t operations = 0;
  for (auto _ : state) {
    const auto trace = OpenTrace({recording.packed}, {});
    auto writer = PackedTraceWriter::Create(path, PackedHeadOf(**trace));
    XMMU_CHECK(PackTrace(**trace, **writer).ok());
    const auto written = PackedTraceReader::Open(path);
    operations = 0;
    for (const PackedTask& task : (*written)->tasks()) {
      operations += task.operations;
    }
  }
  std::filesystem::remove(path);
  state.SetItemsProcessed(static_cast<int64_t>(operations) *
                          static_cast<int64_t>(state.iterations()));
}

std::vector<Recording> Recordings() {
  std::vector<Recording> recordings = {
      {.name = "ls-sort", .logs = {}, .packed = {}},
      {.name = "xz", .logs = {}, .packed = {}}};
  for (Recording& recording : recordings) {
    for (const auto& entry :
         std::filesystem::directory_iterator(XMMU_RECORDED_LOGS)) {
      const std::string file = entry.path().filename();
      if (file.rfind(recording.name + ".", 0) == 0) {
        recording.logs.push_back(entry.path());
      }
    }
  }
  if (const char* const given = std::getenv("XMMU_BENCH_LOGS")) {
    Recording& other = recordings.emplace_back();
    other.name = "XMMU_BENCH_LOGS";
    std::istringstream words(given);
    for (std::string file; words >> file;) other.logs.push_back(file);
  }
  for (Recording& recording : recordings) {
    recording.packed =
        std::filesystem::temp_directory_path() /
        (recording.name + "-" + std::to_string(getpid()) + ".xmmu");
    const auto logs = OpenTrace(recording.logs, {});
    XMMU_CHECK(logs.ok());
    auto writer =
        PackedTraceWriter::Create(recording.packed, PackedHeadOf(**logs));
    XMMU_CHECK(writer.ok() && PackTrace(**logs, **writer).ok());
  }
  return recordings;
}

void Register(const std::vector<Recording>& recordings) {
  for (const Recording& recording : recordings) {
    benchmark::RegisterBenchmark(
        ("lackey/" + recording.name).c_str(),
        [&](benchmark::State& state) { Read(state, recording.logs); })
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(
        ("packed/" + recording.name).c_str(),
        [&](benchmark::State& state) { Read(state, {recording.packed}); })
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(
        ("repack/" + recording.name).c_str(),
        [&](benchmark::State& state) { Write(state, recording); })
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace
}  // namespace xmmu

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const std::vector<xmmu::Recording> recordings = xmmu::Recordings();
  xmmu::Register(recordings);
  benchmark::RunSpecifiedBenchmarks();
  for (const xmmu::Recording& recording : recordings) {
    std::filesystem::remove(recording.packed);
  }
  return 0;
}
