#include "workload/drmemtrace/trace_set.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "workload/drmemtrace/fork_scan.h"
#include "workload/drmemtrace/thread_merge.h"
#include "workload/input/file_error.h"

namespace xmmu {
namespace {

namespace fs = std::filesystem;

// The other files that DynamoRIO and its users leave in a trace's directory.
bool IsNoTrace(absl::string_view name) {
  for (const absl::string_view other :
       {"modules.log", "funclist.log", "encodings.bin",
        "cpu_schedule.bin.zip"}) {
    if (name == other) return true;
  }
  return absl::StartsWith(name, "serial_schedule.bin") ||
         absl::StartsWith(name, "syscall_record_file") ||
         absl::EndsWith(name, ".textproto") || absl::StartsWith(name, ".");
}

// Names sorted, so that nothing depends on the file system.
std::vector<std::string> Entries(const fs::path& directory, bool folders) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    const bool matches =
        folders ? it->is_directory(ignored) : it->is_regular_file(ignored);
    if (matches) names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void AddFiles(const fs::path& directory, std::vector<std::string>* files) {
  for (const std::string& name : Entries(directory, /*folders=*/false)) {
    if (!IsNoTrace(name)) files->push_back((directory / name).string());
  }
}

bool HasFolder(const std::string& directory, absl::string_view name) {
  std::error_code ignored;
  return fs::is_directory(fs::path(directory) / std::string(name), ignored);
}

std::string ParentOf(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// Whether the folder is one within a trace's own.
bool IsInner(absl::string_view folder) {
  return folder == "trace" || folder == "raw" ||
         absl::StartsWith(folder, "window.");
}

std::string FolderName(const std::string& directory) {
  fs::path path(directory);
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

// The directory of a trace whose files are in `directory`.
std::string OuterOf(const std::string& directory) {
  return IsInner(FolderName(directory)) ? ParentOf(directory) : directory;
}

// "APP" of "drmemtrace.APP.PID.NNNN.dir" or "drmemtrace.APP.TID.NNNN.trace.zip";
// empty for files of other names.
std::string ProgramName(const std::string& path) {
  const std::string outer = FolderName(OuterOf(ParentOf(path)));
  for (const std::string& name : {outer, fs::path(path).filename().string()}) {
    absl::string_view rest = name;
    if (!absl::ConsumePrefix(&rest, "drmemtrace.") ||
        absl::StartsWith(rest, "core.")) {
      continue;
    }
    const std::vector<absl::string_view> parts = absl::StrSplit(rest, '.');
    for (size_t i = 1; i < parts.size(); ++i) {
      const bool number =
          !parts[i].empty() &&
          parts[i].find_first_not_of("0123456789") == absl::string_view::npos;
      if (number) return std::string(rest.substr(0, rest.find(parts[i]) - 1));
    }
  }
  return {};
}

absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    return std::vector<std::string>{path};
  }
  std::vector<std::string> files = TraceFilesIn(path);
  if (!files.empty()) return files;
  return FileError(path, 0,
                   HasFolder(path, "raw")
                       ? "only raw files of drmemtrace, expected a folder "
                         "trace: 'drrun -t drmemtrace -indir DIRECTORY', run "
                         "once, writes it"
                       : "no file of a trace, expected some of drmemtrace");
}

// Collects heads into programs.
class SetBuilder {
 public:
  absl::Status Add(const std::string& path) {
    const absl::StatusOr<std::vector<std::string>> files = FilesOf(path);
    if (!files.ok()) return files.status();
    std::error_code unknown;
    const bool whole = fs::is_directory(path, unknown);
    for (const std::string& file : *files) {
      if (whole || IsInner(FolderName(ParentOf(file)))) {
        whole_.insert(OuterOf(ParentOf(file)));
      }
      absl::StatusOr<TraceHead> head = ReadTraceHead(file);
      if (!head.ok()) return head.status();
      std::error_code ignored;
      if (!seen_.insert(fs::weakly_canonical(file, ignored).string()).second) {
        return FileError(file, 0,
                         "the same file again, expected each file once");
      }
      Note(*head);
      const std::string directory = OuterOf(ParentOf(file));
      const bool sharded = head->core_sharded();
      auto& heads =
          sharded ? sharded_[directory] : programs_[{directory, head->process}];
      heads.push_back(*std::move(head));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<TraceSet> Finish() {
    for (auto& [key, heads] : programs_) {
      TracedProgram program = ProgramOf(heads[0], heads[0].first);
      for (const TraceHead& head : heads) {
        program.first = std::min(program.first, head.first);
      }
      program.heads = std::move(heads);
      set_.processes[static_cast<TaskId>(key.second)].push_back(
          std::move(program));
    }
    for (const auto& [directory, heads] : sharded_) {
      const auto spool = CoreSpool::Make(heads);
      if (!spool.ok()) return spool.status();
      for (const auto& [process, first] : (*spool)->Processes()) {
        TracedProgram program = ProgramOf(heads[0], first);
        program.spool = *spool;
        set_.processes[static_cast<TaskId>(process)].push_back(
            std::move(program));
      }
    }
    for (auto& [process, programs] : set_.processes) {
      std::stable_sort(programs.begin(), programs.end(),
                       [](const TracedProgram& a, const TracedProgram& b) {
                         return a.first < b.first;
                       });
    }
    return std::move(set_);
  }

 private:
  TracedProgram ProgramOf(const TraceHead& head, const PieceKey& first) const {
    TracedProgram program;
    program.program = ProgramName(head.path);
    program.name =
        program.program.empty() ? FileTitle(head.path) : program.program;
    program.directory = ParentOf(head.path);
    program.whole_directory = whole_.contains(OuterOf(program.directory));
    program.first = first;
    return program;
  }

  void Note(const TraceHead& head) {
    set_.oldest_version = std::min(set_.oldest_version, head.version);
    set_.newest_version = std::max(set_.newest_version, head.version);
    set_.file_types |= head.file_type;
    set_.untyped |= head.file_type == 0;
    set_.syscalls_everywhere &= (head.file_type & kFileSyscallNumbers) != 0;
    ++set_.files;
  }

  TraceSet set_;
  absl::btree_set<std::string> seen_;
  absl::btree_set<std::string> whole_;  // directories named as a whole
  absl::btree_map<std::pair<std::string, uint64_t>, std::vector<TraceHead>>
      programs_;  // by directory and process
  absl::btree_map<std::string, std::vector<TraceHead>> sharded_;
};

// The process that begins first of those that no other has forked.
absl::Status ChooseRoot(TraceSet* set) {
  const PieceKey* first = nullptr;
  for (const auto& [process, programs] : set->processes) {
    const PieceKey& begin = programs[0].first;
    if (set->parents.contains(process)) continue;
    if (first == nullptr || begin < *first) {
      first = &begin;
      set->root = process;
    }
  }
  if (first != nullptr) return absl::OkStatus();
  const auto& [process, programs] = *set->processes.begin();
  return FileError(programs[0].directory, 0,
                   absl::StrCat("process ", process,
                                " and all others were forked by one of them, "
                                "expected one that was not"));
}

}  // namespace

std::unique_ptr<PieceSource> TracedProgram::Open(TaskId process) const {
  if (spool != nullptr) return CoreSpool::Open(spool, process);
  return std::make_unique<ThreadMerge>(heads);
}

std::vector<std::string> TraceFilesIn(const std::string& directory) {
  std::vector<std::string> files;
  if (HasFolder(directory, "trace")) {
    AddFiles(fs::path(directory) / "trace", &files);
    return files;
  }
  for (const std::string& folder : Entries(directory, /*folders=*/true)) {
    if (!absl::StartsWith(folder, "window.")) continue;
    AddFiles(fs::path(directory) / folder, &files);
  }
  if (files.empty()) AddFiles(directory, &files);
  if (!files.empty()) return files;
  // All traces of one recording lie in one directory.
  for (const std::string& folder : Entries(directory, /*folders=*/true)) {
    if (!absl::StartsWith(folder, "drmemtrace.")) continue;
    const std::string inner = (fs::path(directory) / folder).string();
    for (std::string& file : TraceFilesIn(inner)) {
      files.push_back(std::move(file));
    }
  }
  return files;
}

bool IsDrmemtraceDirectory(const std::string& directory) {
  for (const std::string& file : TraceFilesIn(directory)) {
    const auto source = ByteSource::Open(file);
    if (!source.ok()) continue;
    const absl::StatusOr<absl::string_view> block = (*source)->Next();
    if (block.ok() && IsDrmemtraceContent(*block)) return true;
  }
  return HasFolder(directory, "raw") &&
         absl::StartsWith(FolderName(directory), "drmemtrace.");
}

absl::StatusOr<TraceSet> ReadTraceSet(const std::vector<std::string>& files) {
  SetBuilder builder;
  for (const std::string& file : files) {
    const absl::Status added = builder.Add(file);
    if (!added.ok()) return added;
  }
  absl::StatusOr<TraceSet> set = builder.Finish();
  if (!set.ok()) return set;
  if (set->processes.empty()) {
    return FileError(files.front(), 0,
                     "no thread in any file, expected the records of some");
  }
  absl::Status status = FindForks(&*set);
  if (status.ok()) status = ChooseRoot(&*set);
  if (!status.ok()) return status;
  return set;
}

std::string FindBeside(const std::string& directory, const std::string& name) {
  const std::string outer = OuterOf(directory);
  for (const std::string& place :
       {directory, outer, outer + "/raw", outer + "/aux"}) {
    const fs::path path = fs::path(place) / name;
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) return path.string();
  }
  return "";
}

}  // namespace xmmu
