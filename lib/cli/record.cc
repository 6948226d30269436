// xmmu record: runs a command and records what it, and every process that it
// starts, does to memory.

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/printable.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_status.h"
#include "cli/pack_spool.h"
#include "cli/record_program.h"
#include "cli/record_spool.h"
#include "cli/record_tools.h"
#include "cli/record_tree.h"
#include "xmmu/workload/packed_trace.h"
#include "xmmu/workload/trace.h"

namespace xmmu::cli {
namespace {

// What env(1) and timeout(1) return for what was not run, too.
constexpr int kNoRecording = 125;

void Tell(std::string_view text) {
  std::fprintf(stderr, "xmmu record: %s\n", Printable(text).c_str());
}

absl::Status PackLogs(const std::string& directory, const std::string& to) {
  std::vector<std::string> logs;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".gz") logs.push_back(entry.path());
  }
  const auto trace = OpenTrace(logs, {});
  if (!trace.ok()) return trace.status();
  auto writer = PackedTraceWriter::Create(to, PackedHeadOf(**trace));
  if (!writer.ok()) return writer.status();
  return PackTrace(**trace, **writer);
}

// What a recording is to become.
struct Recording {
  std::string output;
  std::vector<std::string> command;
  bool by_lackey = false;
};

absl::Status CheckOutput(const std::string& path) {
  struct stat file;
  if (path.empty()) {
    return absl::InvalidArgumentError("--output: want the name of a file");
  }
  if (path.ends_with('/')) {
    return absl::InvalidArgumentError(
        absl::StrCat("--output: ", path, ": want the name of a file"));
  }
  if (stat(path.c_str(), &file) != 0) return absl::OkStatus();
  if (!S_ISREG(file.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--output: ", path, ": is there and is no regular file"));
  }
  if (access(path.c_str(), W_OK) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--output: ", path, ": ", std::strerror(errno)));
}

// The file that `path` leads to by links.
std::string TargetOf(const std::string& path) {
  char target[PATH_MAX];
  return realpath(path.c_str(), target) == nullptr ? path : target;
}

// Gives the file `packed` the rights of the one at `output`, if there is one,
// and puts it there.
absl::Status PutInPlace(const std::string& packed, const std::string& output) {
  const std::string target = TargetOf(output);
  struct stat old;
  const bool good = (stat(target.c_str(), &old) != 0 ||
                     chmod(packed.c_str(), old.st_mode & 0777) == 0) &&
                    std::rename(packed.c_str(), target.c_str()) == 0;
  return good ? absl::OkStatus()
              : absl::InvalidArgumentError(
                    absl::StrCat(output, ": ", std::strerror(errno)));
}

absl::StatusOr<Recording> RecordingOf(const Arguments& arguments) {
  Recording recording{arguments.Text("output", "trace.xmmu"),
                      arguments.files()};
  const std::string with = arguments.Text("with", "qemu");
  if (with != "qemu" && with != "lackey") {
    return arguments.Refuse("with", "want qemu or lackey");
  }
  recording.by_lackey = with == "lackey";
  if (recording.command.empty() || recording.command.front().empty()) {
    return absl::InvalidArgumentError(
        "want a command: xmmu record -o FILE -- COMMAND...");
  }
  const absl::Status output = CheckOutput(recording.output);
  if (!output.ok()) return output;
  return recording;
}

absl::StatusOr<TreeCommand> CommandByQemu(const Recording& recording,
                                          const Spool& spool) {
  const auto program = FindRecordedProgram(recording.command);
  if (!program.ok()) return program.status();
  const auto tools = FindRecordTools();
  if (!tools.ok()) return tools.status();
  if (program->narrow && tools->narrow.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(program->path,
                     ": is a program for i386, and qemu-i386 is missing: "
                     "install Debian's package qemu-user"));
  }
  std::vector<std::string> words =
      RecordingWords(*tools, *program, spool.directory());
  std::string path = words.front();
  return TreeCommand{std::move(path), std::move(words), RecordingEnvironment()};
}

absl::StatusOr<TreeCommand> CommandByLackey(const Recording& recording,
                                            const Spool& spool) {
  const auto script = FindOwnFile("record.sh");
  if (!script.ok()) return script.status();
  std::vector<std::string> words = {
      *script, "-q", "-o", absl::StrCat(spool.directory(), "/log"), "--"};
  words.insert(words.end(), recording.command.begin(), recording.command.end());
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  return TreeCommand{*script, std::move(words), std::move(environment)};
}

// Whether what ran has left a recording, or why not.
absl::Status CheckRecorded(const Recording& recording, const Spool& spool,
                           int status) {
  if (spool.HasFailed()) {
    return absl::InvalidArgumentError(absl::StrCat(
        spool.directory(), ": cannot hold the recording: ",
        absl::StrJoin(spool.Lines(), "; "), ": there is no recording"));
  }
  if (recording.by_lackey && status == kNoRecording) {
    return absl::InvalidArgumentError("there is no recording, see above");
  }
  if (recording.by_lackey || spool.HasPrograms()) return absl::OkStatus();
  if (spool.HasBegun()) {
    return absl::InvalidArgumentError(absl::StrCat(
        recording.command.front(), ": QEMU ended with status ", status,
        " before the program's first instruction: the file is cut or damaged, "
        "or memory is short (ulimit -v)"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "QEMU ended with status ", status,
      " and left no recording: memory is short (ulimit -v), or it is none with "
      "plug-ins, as Debian 12's"));
}

// "FILE (1234 bytes)".
std::string SizeOf(const std::string& file) {
  std::error_code ignored;
  return absl::StrCat(file, " (", std::filesystem::file_size(file, ignored),
                      " bytes)");
}

void TellEnd(const Recording& recording, const Spool& spool, int status) {
  for (const std::string& line : spool.Lines()) Tell(line);
  // What both lack was tried: QEMU 7.2 and Valgrind 3.19, an instruction of each
  // extension. The command is not run again by itself, as all that it does to
  // files and to others would be done twice.
  if (status == 128 + SIGILL && !recording.by_lackey) {
    Tell(
        "the command was ended by SIGILL: if it needs FMA4 or XTEST, which "
        "QEMU lacks, record it with --with=lackey; neither of the two has "
        "AVX-512, SHA or GFNI");
  }
  Tell(absl::StrCat(recording.command.front(), " ended with status ", status,
                    ", recorded in ", SizeOf(recording.output)));
}

// What ran may take hours to run again: what it left stays. Lackey's logs are too
// large for that, and end where Valgrind does.
absl::Status KeepSpool(const Recording& recording, Spool& spool,
                       const absl::Status& failure) {
  if (recording.by_lackey) return failure;
  spool.Keep();
  return absl::Status(
      failure.code(),
      absl::StrCat(std::string(failure.message()), "; what was recorded is in ",
                   spool.directory(), ", which xmmu trace pack packs"));
}

// Returns the command's status.
absl::StatusOr<int> Record(const Recording& recording) {
  auto spool = Spool::Create(TargetOf(recording.output));
  if (!spool.ok()) return spool.status();
  const auto command = recording.by_lackey ? CommandByLackey(recording, **spool)
                                           : CommandByQemu(recording, **spool);
  if (!command.ok()) return command.status();
  const auto is_void = [&] { return (*spool)->HasFailed(); };
  const auto left_running = [](const std::vector<pid_t>& left) {
    Tell(absl::StrCat("waiting for what the command left running: ",
                      absl::StrJoin(left, " ")));
  };
  const auto status = RunTree(*command, {is_void, left_running});
  if (!status.ok()) return status;
  absl::Status recorded = CheckRecorded(recording, **spool, *status);
  if (!recorded.ok()) return recorded;
  const std::string& directory = (*spool)->directory();
  const std::string packed = absl::StrCat(directory, "/packed");
  recorded = RunApart([&] {
    return recording.by_lackey ? PackLogs(directory, packed)
                               : PackSpool(directory, packed, nullptr);
  });
  if (recorded.ok()) recorded = PutInPlace(packed, recording.output);
  if (!recorded.ok()) return KeepSpool(recording, **spool, recorded);
  TellEnd(recording, **spool, *status);
  return status;
}

absl::Status Run(const Arguments& arguments, const Catalog&, Console&) {
  const auto recording = RecordingOf(arguments);
  if (!recording.ok()) return WithExitStatus(recording.status(), kNoRecording);
  const auto status = Record(*recording);
  if (!status.ok()) return WithExitStatus(status.status(), kNoRecording);
  return EndWith(*status);
}

}  // namespace

Command RecordCommand() {
  return {"record",
          "run a command and record what it does to memory",
          "-- COMMAND [ARGUMENT]...",
          "COMMAND",
          "Runs a command and records the instruction fetches, loads, stores, "
          "mappings and system calls of it and of every process that it "
          "starts, by QEMU's user-mode emulation or by Valgrind's Lackey. The "
          "exit status is the command's, 128 and the signal's number if it "
          "was killed, or 125 if there is no recording.",
          [] {
            return std::vector<Option>{
                {.name = "output",
                 .group = "Options",
                 .value = "FILE",
                 .help = "the packed trace to write, also as -o FILE; "
                         "trace.xmmu",
                 .letter = 'o'},
                {.name = "with",
                 .group = "Options",
                 .value = "NAME",
                 .help = "what runs the command: qemu, which is fast, keeps "
                         "threads apart and runs 32-bit programs, too, or "
                         "lackey; qemu"},
                {.name = "help",
                 .group = "Options",
                 .help = "show this help and end"}};
          },
          &Run,
          kNoRecording,
          /*takes_signals=*/true};
}

}  // namespace xmmu::cli
