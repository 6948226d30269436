#include "workload/qemu/spool_directory.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "workload/input/file_error.h"
#include "workload/process/system_call.h"
#include "workload/qemu/spool_file.h"
#include "workload/qemu/spool_words.h"

namespace xmmu {
namespace {

// A program by pid and generation: its thread files, by VCPU.
struct ProgramKey {
  uint64_t pid;
  uint64_t generation;
  auto operator<=>(const ProgramKey&) const = default;
};
struct ProgramFiles {
  bool has_blocks = false;
  absl::btree_map<uint64_t, std::string> threads;
};
using Programs = absl::btree_map<ProgramKey, ProgramFiles>;

// A decimal number as the plug-in prints it, without a sign or leading zeros.
bool ParseDecimal(absl::string_view text, uint64_t* number) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") ==
                                           absl::string_view::npos;
  return digits && (text.size() == 1 || text[0] != '0') &&
         absl::SimpleAtoi(text, number);
}

// Notes a file if its name is PID.GEN.VCPU or PID.GEN.blocks.
void NoteFile(const std::string& path, absl::string_view name,
              Programs& programs) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  ProgramKey key{};
  uint64_t vcpu = 0;
  if (parts.size() != 3 || !ParseDecimal(parts[0], &key.pid) ||
      !ParseDecimal(parts[1], &key.generation)) {
    return;
  }
  if (parts[2] == "blocks") {
    programs[key].has_blocks = true;
  } else if (ParseDecimal(parts[2], &vcpu)) {
    programs[key].threads[vcpu] = path;
  }
}

absl::StatusOr<Programs> ListPrograms(const std::string& directory) {
  Programs programs;
  std::error_code error;
  std::filesystem::directory_iterator at(directory, error);
  for (; !error && at != std::filesystem::directory_iterator();
       at.increment(error)) {
    NoteFile(at->path().string(), at->path().filename().string(), programs);
  }
  if (error) return FileError(directory, 0, error.message());
  return programs;
}

// What the first words of a thread file say.
struct ThreadHead {
  uint64_t tid = 0;
  std::optional<uint64_t> parent;
};

// Returns nothing for a file without a word, or with nothing behind its THREAD:
// its process or thread was killed before it did anything.
absl::StatusOr<std::optional<ThreadHead>> ReadThreadHead(
    const std::string& path) {
  SpoolFile file(path);
  const absl::StatusOr<uint64_t> first = file.Peek();
  if (!first.ok()) return first.status();
  if (*first == 0) return std::nullopt;
  ThreadHead head{spool::PayloadOf(*first), std::nullopt};
  if (spool::IsAccess(*first) || spool::TypeOf(*first) != spool::kThread ||
      head.tid == 0 || head.tid >= kProcessIdEnd) {
    return file.ErrorAt(0, absl::StrCat("the word 0x", absl::Hex(*first),
                                        ", expected a THREAD and its id"));
  }
  std::vector<uint64_t> words;
  const absl::Status taken = file.Take(2, 0, words);
  if (!taken.ok()) return taken;
  if (words[1] >= spool::kClockEnd) {
    return file.ErrorAt(
        8, absl::StrCat("a clock of ", words[1], ", expected one below 2^56"));
  }
  const absl::StatusOr<uint64_t> next = file.Peek();
  if (!next.ok()) return next.status();
  if (*next == 0) return std::nullopt;
  if (!spool::IsAccess(*next) && spool::TypeOf(*next) == spool::kForked) {
    head.parent = spool::PayloadOf(*next);
    if (*head.parent == 0 || *head.parent >= kProcessIdEnd) {
      return file.ErrorAt(file.offset(),
                          absl::StrCat("process ", head.tid, " was forked by ",
                                       *head.parent, ", expected a process"));
    }
  }
  return head;
}

// Returns nothing for a program of which no thread wrote a word. The thread
// that a program begins with has the process's id.
absl::StatusOr<std::optional<SpoolProgram>> ReadProgram(
    const std::string& directory, ProgramKey key, const ProgramFiles& files) {
  SpoolProgram program;
  program.pid = key.pid;
  program.generation = key.generation;
  const std::string name = absl::StrCat(key.pid, ".", key.generation);
  program.blocks = absl::StrCat(directory, "/", name, ".blocks");
  std::optional<size_t> main;
  for (const auto& [vcpu, path] : files.threads) {
    const auto head = ReadThreadHead(path);
    if (!head.ok()) return head.status();
    if (!head->has_value()) continue;
    if ((*head)->tid == key.pid && (!main.has_value() || (*head)->parent)) {
      main = program.threads.size();
      program.parent = (*head)->parent;
    }
    program.threads.push_back(path);
  }
  if (program.threads.empty()) return std::nullopt;
  if (!main.has_value()) {
    return FileError(program.threads[0], 0,
                     absl::StrCat("no thread ", key.pid, " in ", name,
                                  ".*, expected the one that it began with"));
  }
  if (!files.has_blocks) {
    return FileError(program.blocks, 0,
                     "there is no such file, expected the program's blocks");
  }
  program.main = *main;
  return program;
}

}  // namespace

absl::StatusOr<SpoolDirectory> ReadSpoolDirectory(
    const std::string& directory) {
  const absl::StatusOr<Programs> programs = ListPrograms(directory);
  if (!programs.ok()) return programs.status();
  SpoolDirectory spool;
  std::vector<size_t> roots;
  for (const auto& [key, files] : *programs) {
    auto program = ReadProgram(directory, key, files);
    if (!program.ok()) return program.status();
    if (!program->has_value()) continue;
    const bool continues = !spool.processes.empty() &&
                           spool.processes.back().pid == key.pid &&
                           !(*program)->parent.has_value();
    if (!continues) {
      if (!(*program)->parent.has_value()) {
        roots.push_back(spool.processes.size());
      }
      spool.processes.emplace_back().pid = key.pid;
    }
    spool.processes.back().programs.push_back(*std::move(*program));
  }
  // The command is its process's first program. Later ones without a first were
  // run by processes that could not write their own first words.
  if (roots.size() > 1) {
    std::erase_if(roots, [&](size_t root) {
      return spool.processes[root].programs[0].generation != 0;
    });
  }
  if (roots.size() == 1) {
    spool.root = roots[0];
    return spool;
  }
  if (spool.processes.empty()) {
    return FileError(directory, 0,
                     "no recording, expected files PID.GEN.VCPU of one");
  }
  const SpoolProcess& extra = spool.processes[roots.empty() ? 0 : roots[1]];
  return FileError(
      extra.programs[0].threads[extra.programs[0].main], 0,
      roots.empty()
          ? absl::StrCat("process ", extra.pid,
                         " and all others were forked, expected one that was "
                         "not")
          : absl::StrCat("process ", extra.pid, " was not forked, nor was ",
                         spool.processes[roots[0]].pid,
                         ", expected the processes of one recording"));
}

}  // namespace xmmu
