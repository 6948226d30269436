#include "workload/qemu/convert_spool.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "workload/qemu/process_reader.h"
#include "workload/qemu/qemu_layout.h"
#include "workload/qemu/spool_directory.h"
#include "workload/qemu/spool_words.h"

namespace xmmu {
namespace {

// What a recording with QEMU lacks.
constexpr const char* kLacks[] = {
    "addresses are those that QEMU's user-mode emulation gave out",
    "no frames of signals on the stack",
    "no buffers of system calls beyond those that `xmmu list system-calls` has",
};
constexpr const char* kLacksNarrow =
    "no segments that a 32-bit program attached by ipc(2)";

// The processes that are still to be created, by parent and pid, the oldest
// first.
using Waiting =
    absl::btree_map<std::pair<uint64_t, uint64_t>, std::deque<size_t>>;

class SpoolConverter : public ProcessReader::Children {
 public:
  SpoolConverter(const SpoolDirectory& spool, OpSink& to)
      : spool_(spool), shared_{to, ids_, counts_, *this} {
    for (size_t i = 0; i < spool.processes.size(); ++i) {
      const SpoolProcess& process = spool.processes[i];
      if (i == spool.root) continue;
      if (!process.programs[0].parent.has_value()) {
        ++counts_.unnamed_processes;
        continue;
      }
      waiting_[{*process.programs[0].parent, process.pid}].push_back(i);
    }
  }

  // Children are read as they are created: their parents wait.
  absl::Status Run() {
    const SpoolProcess& root = spool_.processes[spool_.root];
    readers_.push_back(std::make_unique<ProcessReader>(
        root, ids_.Take(root.pid), ProcessState(0, kQemuLayout),
        /*narrow=*/false, nullptr, shared_));
    while (!readers_.empty()) {
      auto birth = readers_.back()->Run();
      if (!birth.ok()) return birth.status();
      if (!birth->has_value()) {
        readers_.pop_back();
      } else if (const absl::Status begun = Begin(*std::move(*birth));
                 !begun.ok()) {
        return begun;
      }
    }
    for (const auto& [key, processes] : waiting_) {
      counts_.unnamed_processes += processes.size();
    }
    return absl::OkStatus();
  }

  std::optional<uint64_t> FindChild(uint64_t parent) const override {
    const auto found = waiting_.lower_bound({parent, 0});
    if (found == waiting_.end() || found->first.first != parent) {
      return std::nullopt;
    }
    return found->first.second;
  }

  SpoolFactCounts counts() const {
    return {
        {"processes", counts_.processes},
        {"programs", counts_.programs},
        {"threads", counts_.threads},
        {"instructions", counts_.instructions},
        {"accesses", counts_.accesses},
        {"system calls", counts_.calls},
        {"accesses to what is not mapped, left out", counts_.unmapped},
        {"accesses that no block has, left out", counts_.strays},
        {"blocks that were not written, left out", counts_.lost_blocks},
        {"calls that Linux refuses, left out", counts_.refused},
        {"mappings in the way of a call, unmapped", counts_.overlaps},
        {"processes without a word", counts_.without_files},
        {"processes that no fork named, left out", counts_.unnamed_processes},
        {"programs that no exec began", counts_.unnamed_programs},
        {"threads that no clone named, left out", counts_.unnamed_threads}};
  }

 private:
  absl::Status Begin(ProcessReader::Birth birth) {
    auto found = waiting_.find({birth.parent, birth.pid});
    if (found == waiting_.end() && birth.renamed) {
      // Ids rise in a namespace, so the least is the oldest child.
      found = waiting_.lower_bound({birth.parent, 0});
      if (found != waiting_.end() && found->first.first != birth.parent) {
        found = waiting_.end();
      }
    }
    if (found == waiting_.end()) {
      // It was killed before its first word.
      ++counts_.without_files;
      const GuestOp exit{.kind = GuestOpKind::kExit};
      return shared_.sink.Append(birth.task,
                                 std::span<const GuestOp>(&exit, 1));
    }
    const SpoolProcess& process = spool_.processes[found->second.front()];
    found->second.pop_front();
    if (found->second.empty()) waiting_.erase(found);
    readers_.back()->Release();
    readers_.push_back(std::make_unique<ProcessReader>(
        process, birth.task, std::move(birth.state), birth.narrow,
        std::move(birth.blocks), shared_));
    return absl::OkStatus();
  }

  const SpoolDirectory& spool_;
  Waiting waiting_;
  TaskIds ids_;
  SpoolCounts counts_;
  ProcessReader::Shared shared_;
  std::vector<std::unique_ptr<ProcessReader>> readers_;  // the root first
};

// A command line as a shell would take it, where that is easy to tell.
std::string CommandText(absl::string_view arguments) {
  std::string text;
  while (!arguments.empty() && arguments.back() == '\0') {
    arguments.remove_suffix(1);
  }
  for (const char c : arguments) text += c == '\0' ? ' ' : c;
  return text;
}

// Takes the texts of the program's first words.
absl::Status ReadProgramTexts(const SpoolProgram& program, TraceFacts& facts) {
  SpoolFile file(program.threads[program.main]);
  std::vector<uint64_t> words;
  absl::Status status = file.Take(2, 0, words);
  while (status.ok()) {
    const absl::StatusOr<uint64_t> word = file.Peek();
    if (!word.ok()) return word.status();
    if (spool::IsAccess(*word) || spool::TypeOf(*word) != spool::kProgram) {
      break;
    }
    const uint64_t record = file.offset();
    const uint64_t payload = spool::PayloadOf(*word);
    file.SetAt(file.at() + 1);
    const auto text = file.TakeBytes(spool::LengthOf(payload), record);
    if (absl::IsOutOfRange(text.status())) break;
    if (!text.ok()) return text.status();
    switch (spool::TagOf(payload)) {
      case spool::kProgramPath:
        facts.environment.emplace_back("program", *text);
        break;
      case spool::kProgramCommand:
        facts.command = CommandText(*text);
        break;
      case spool::kProgramArchitecture:
        facts.environment.emplace_back("architecture", *text);
        if (*text == "i386") facts.lacks.push_back(kLacksNarrow);
        break;
      default:
        break;
    }
  }
  return status;
}

}  // namespace

absl::StatusOr<SpoolHead> ReadSpoolHead(const std::string& directory) {
  const absl::StatusOr<SpoolDirectory> spool = ReadSpoolDirectory(directory);
  if (!spool.ok()) return spool.status();
  const SpoolProcess& root = spool->processes[spool->root];
  SpoolHead head;
  head.first_task = static_cast<TaskId>(root.pid);
  head.facts.format = "qemu";
  head.facts.environment.emplace_back("recorder", "QEMU user-mode emulation");
  head.facts.lacks.assign(std::begin(kLacks), std::end(kLacks));
  const absl::Status read = ReadProgramTexts(root.programs[0], head.facts);
  if (!read.ok()) return read;
  return head;
}

absl::StatusOr<SpoolFactCounts> ConvertSpool(const std::string& directory,
                                             OpSink& to) {
  const absl::StatusOr<SpoolDirectory> spool = ReadSpoolDirectory(directory);
  if (!spool.ok()) return spool.status();
  SpoolConverter converter(*spool, to);
  const absl::Status converted = converter.Run();
  if (!converted.ok()) return converted;
  return converter.counts();
}

}  // namespace xmmu
