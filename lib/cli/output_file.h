#ifndef XMMU_LIB_CLI_OUTPUT_FILE_H_
#define XMMU_LIB_CLI_OUTPUT_FILE_H_

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/console.h"

namespace xmmu::cli {

// Writes all of `text`. Errors: Unavailable with the reason, such as a full
// disk, a closed descriptor or a pipe that nobody reads.
absl::Status WriteStandardOutput(const std::string& text);

// Where a report goes: standard output, or a file that appears only when it is
// whole, with the rights of the one that it replaces. What is no regular file
// (a pipe, a terminal, /dev/stdout) is written in place. Opened before the
// work, so that a path that cannot be written is known at once; there is no
// temporary file until Write(), and no signal that can leave one behind. Nothing
// is written after an interrupt.
class OutputFile {
 public:
  // An empty path is standard output. `inputs` are files that must not be
  // overwritten. `console` outlives this.
  // Errors: InvalidArgument with the option that has the path ("output"), the
  // path and what is wrong.
  static absl::StatusOr<OutputFile> Open(std::string_view option,
                                         const std::string& path,
                                         std::span<const std::string> inputs,
                                         Console& console);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  // Whether both write to the same place.
  bool IsAlso(const OutputFile& other) const;

  // Writes `text` and closes. Errors: Unavailable with the path and the reason;
  // Cancelled after an interrupt.
  absl::Status Write(const std::string& text);

 private:
  OutputFile(std::string path, int descriptor, Console& console);
  // As Open(), without the option.
  static absl::StatusOr<OutputFile> OpenPath(
      const std::string& path, std::span<const std::string> inputs,
      Console& console);

  std::string path_;  // empty: standard output
  int descriptor_;    // -1: the file at `path_` is replaced
  Console* console_;
};

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_OUTPUT_FILE_H_
