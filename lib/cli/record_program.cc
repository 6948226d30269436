#include "cli/record_program.h"

#include <elf.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/text.h"

namespace xmmu::cli {
namespace {

// Linux 6.1, fs/exec.c, exec_binprm: a script's interpreter may be a script,
// five times; include/uapi/linux/binfmts.h, BINPRM_BUF_SIZE: its first line is
// read up to 256 bytes.
constexpr int kMostScripts = 5;
constexpr size_t kScriptLine = 256;

absl::Status Refuse(const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", Abs(why)));
}

// What elf.h calls EM_*, for messages.
std::string NameOfMachine(uint16_t machine) {
  switch (machine) {
    case EM_AARCH64:
      return "AArch64";
    case EM_ARM:
      return "ARM";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC64:
      return "PowerPC";
    case EM_S390:
      return "S/390";
    case EM_MIPS:
      return "MIPS";
    case EM_X86_64:
      return "x86-64 with 32-bit pointers (x32)";
    default:
      return absl::StrCat("the ELF machine ", machine);
  }
}

// What can be read of an ELF file's head, of either class.
class ElfHead {
 public:
  explicit ElfHead(const std::string& path) : file_(path, std::ios::binary) {
    is_elf_ = ReadAt(0, &ident_) && std::memcmp(ident_, ELFMAG, SELFMAG) == 0;
    if (!is_elf_) return;
    if (ident_[EI_CLASS] == ELFCLASS64) {
      ReadHeaders<Elf64_Ehdr, Elf64_Phdr>();
    } else {
      ReadHeaders<Elf32_Ehdr, Elf32_Phdr>();
    }
  }

  bool is_elf() const { return is_elf_; }
  bool IsProgram() const { return type_ == ET_EXEC || type_ == ET_DYN; }
  bool Is64Bit() const {
    return ident_[EI_CLASS] == ELFCLASS64 && machine_ == EM_X86_64;
  }
  bool Is32Bit() const {
    return ident_[EI_CLASS] == ELFCLASS32 && machine_ == EM_386;
  }
  uint16_t machine() const { return machine_; }
  // Empty if there is none.
  const std::string& interpreter() const { return interpreter_; }

 private:
  template <typename T>
  bool ReadAt(uint64_t offset, T* to) {
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(offset));
    file_.read(reinterpret_cast<char*>(to), sizeof(*to));
    return file_.gcount() == sizeof(*to);
  }

  template <typename Head, typename Program>
  void ReadHeaders() {
    Head head;
    if (!ReadAt(0, &head)) return;
    machine_ = head.e_machine;
    type_ = head.e_type;
    for (unsigned i = 0; i < head.e_phnum; ++i) {
      Program program;
      if (!ReadAt(head.e_phoff + i * sizeof(program), &program)) return;
      if (program.p_type != PT_INTERP || program.p_filesz > PATH_MAX) continue;
      interpreter_.resize(program.p_filesz);
      file_.seekg(static_cast<std::streamoff>(program.p_offset));
      file_.read(interpreter_.data(),
                 static_cast<std::streamsize>(interpreter_.size()));
      interpreter_.resize(std::strlen(interpreter_.c_str()));
    }
  }

  std::ifstream file_;
  char ident_[EI_NIDENT] = {};
  bool is_elf_ = false;
  uint16_t machine_ = EM_NONE;
  uint16_t type_ = ET_NONE;
  std::string interpreter_;
};

// A first line "#!INTERPRETER [ARGUMENT]" (Linux, fs/binfmt_script.c).
struct ScriptLine {
  std::string interpreter;
  std::string argument;
};

ScriptLine ReadScriptLine(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string line(kScriptLine, '\0');
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<size_t>(file.gcount()));
  if (!line.starts_with("#!")) return {};
  line.resize(std::min(line.size(), line.find('\n')));
  line.erase(0, std::min(line.find_first_not_of(" \t", 2), line.size()));
  line.resize(line.find_last_not_of(" \t") + 1);
  const size_t end = std::min(line.find_first_of(" \t"), line.size());
  const size_t rest = std::min(line.find_first_not_of(" \t", end), line.size());
  return {line.substr(0, end), line.substr(rest)};
}

// What would change the rights of who runs the file does so for the kernel's
// exec only; for root, what belongs to root changes nothing (Linux, fs/exec.c,
// bprm_fill_uid; security/commoncap.c, get_file_caps). The plug-in has the same
// rules for what the command starts.
bool ChangesRights(const std::string& path) {
  struct stat file;
  struct statvfs system;
  if (stat(path.c_str(), &file) != 0) return false;
  if (statvfs(path.c_str(), &system) == 0 && (system.f_flag & ST_NOSUID) != 0) {
    return false;
  }
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) return false;
  if ((file.st_mode & S_ISUID) != 0 && file.st_uid != geteuid()) return true;
  if ((file.st_mode & S_ISGID) != 0 && (file.st_mode & S_IXGRP) != 0 &&
      file.st_gid != getegid()) {
    return true;
  }
  return geteuid() != 0 &&
         getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
}

absl::Status CheckExecutable(const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return Refuse(path, std::strerror(errno));
  if (S_ISDIR(file.st_mode)) return Refuse(path, "is a directory");
  if (!S_ISREG(file.st_mode)) return Refuse(path, "is no regular file");
  if (access(path.c_str(), X_OK) != 0) {
    return Refuse(path, "cannot be executed, expected a program's rights (+x)");
  }
  if (access(path.c_str(), R_OK) != 0) {
    return Refuse(path,
                  "can be executed but not read, and QEMU has to read it");
  }
  return absl::OkStatus();
}

absl::Status CheckElf(const std::string& path, const ElfHead& elf) {
  if (!elf.Is64Bit() && !elf.Is32Bit()) {
    return Refuse(
        path, absl::StrCat("is a program for ", NameOfMachine(elf.machine()),
                           ", expected x86-64 or i386"));
  }
  if (!elf.IsProgram()) {
    return Refuse(path, "is an ELF file, but no program");
  }
  const std::string& interpreter = elf.interpreter();
  if (!interpreter.empty() && access(interpreter.c_str(), R_OK) != 0) {
    return Refuse(path, absl::StrCat("its dynamic linker ", interpreter, ": ",
                                     std::strerror(errno)));
  }
  if (ChangesRights(path)) {
    return Refuse(path,
                  "runs with rights of its own (set-uid, set-gid or "
                  "capabilities), which it does not get under QEMU: record as "
                  "the user that it runs as");
  }
  return absl::OkStatus();
}

// Puts the interpreter of a script in the place of the script.
absl::Status FollowScript(RecordedProgram* program) {
  const ScriptLine line = ReadScriptLine(program->path);
  if (line.interpreter.empty()) {
    return Refuse(program->path,
                  "is neither a program nor a script that names its "
                  "interpreter in its first line; try sh with it");
  }
  program->words.front() = program->path;
  if (!line.argument.empty()) {
    program->words.insert(program->words.begin(), line.argument);
  }
  program->words.insert(program->words.begin(), line.interpreter);
  program->path = line.interpreter;
  return absl::OkStatus();
}

}  // namespace

std::string FindInPath(const std::string& name) {
  if (name.empty()) return "";
  if (name.find('/') != std::string::npos) return name;
  const char* const path = std::getenv("PATH");
  const std::string places = path == nullptr ? "/usr/bin:/bin" : path;
  for (const absl::string_view place : absl::StrSplit(places, ':')) {
    const std::string file =
        absl::StrCat(place.empty() ? "." : place, "/", name);
    struct stat status;
    if (stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        access(file.c_str(), X_OK) == 0) {
      return file;
    }
  }
  return "";
}

absl::StatusOr<RecordedProgram> FindRecordedProgram(
    const std::vector<std::string>& command) {
  RecordedProgram program{FindInPath(command.front()), command};
  if (program.path.empty()) {
    return Refuse(command.front(),
                  "no such command in PATH; for a part of the shell try sh -c "
                  "'...'");
  }
  std::string script;  // which names `program.path` as its interpreter
  for (int depth = 0; depth <= kMostScripts; ++depth) {
    const absl::Status executable = CheckExecutable(program.path);
    if (!executable.ok()) {
      return script.empty()
                 ? executable
                 : Refuse(script,
                          absl::StrCat("its interpreter ",
                                       std::string(executable.message())));
    }
    const ElfHead elf(program.path);
    if (!elf.is_elf()) script = program.path;
    const absl::Status status =
        elf.is_elf() ? CheckElf(program.path, elf) : FollowScript(&program);
    if (!status.ok()) return status;
    if (!elf.is_elf()) continue;
    program.narrow = elf.Is32Bit();
    return program;
  }
  return Refuse(command.front(), "its interpreter is a script, and so on");
}

}  // namespace xmmu::cli
