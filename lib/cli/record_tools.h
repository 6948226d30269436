#ifndef XMMU_LIB_CLI_RECORD_TOOLS_H_
#define XMMU_LIB_CLI_RECORD_TOOLS_H_

// What recording needs beside this program. Looks at files only; any thread.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/record_program.h"

namespace xmmu::cli {

struct RecordTools {
  std::string wide;    // qemu-x86_64
  std::string narrow;  // qemu-i386; empty if there is none
  std::string plugin;  // xmmu_record.so
};

// Errors: InvalidArgument that says what is missing and which Debian package has
// it.
absl::StatusOr<RecordTools> FindRecordTools();

// A file that is built or installed with this program, in libexec/xmmu beside
// the directory that it is in.
// Errors: InvalidArgument with the places where it is not.
absl::StatusOr<std::string> FindOwnFile(const std::string& name);

// How `tools` are called to record `program` into `directory`.
std::vector<std::string> RecordingWords(const RecordTools& tools,
                                        const RecordedProgram& program,
                                        const std::string& directory);

// This process's environment, with what would change QEMU itself marked as the
// plug-in expects it (lib/workload/qemu/plugin/image.h).
std::vector<std::string> RecordingEnvironment();

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_RECORD_TOOLS_H_
