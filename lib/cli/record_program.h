#ifndef XMMU_LIB_CLI_RECORD_PROGRAM_H_
#define XMMU_LIB_CLI_RECORD_PROGRAM_H_

// What file a command runs, and whether QEMU can run it. Looks at files only;
// any thread.

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace xmmu::cli {

struct RecordedProgram {
  std::string path;                // the ELF file; a script's interpreter
  std::vector<std::string> words;  // its arguments, its name first
  bool narrow = false;             // an i386 program
};

// Finds what the kernel would run for `command`, whose first word is looked up
// in PATH as a shell does.
//
// Errors: InvalidArgument, "NAME: what is wrong", for a command that is not
// there or cannot be executed, a script without an interpreter, a program that
// is not for x86 or lacks its dynamic linker, and one that would get rights of
// its own (set-uid, set-gid).
absl::StatusOr<RecordedProgram> FindRecordedProgram(
    const std::vector<std::string>& command);

// Where `name` is in PATH; empty if nowhere.
std::string FindInPath(const std::string& name);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_RECORD_PROGRAM_H_
