#ifndef XMMU_EXAMPLES_COMPARE_OUTPUT_FILE_H_
#define XMMU_EXAMPLES_COMPARE_OUTPUT_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xmmu::compare {

// Where a report goes: standard output, or a file that appears only when it is
// whole. Opened before the work, so that a path that cannot be written is known
// at once.
class OutputFile {
 public:
  // An empty path is standard output. Errors: InvalidArgument with the path.
  static absl::StatusOr<OutputFile> Open(const std::string& path);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  // Writes `text` and closes. Errors: Unavailable with the path and the reason.
  absl::Status Write(const std::string& text);

 private:
  OutputFile(std::string path, std::string temporary, int descriptor);

  std::string path_;       // empty: standard output
  std::string temporary_;  // empty: written in place
  int descriptor_;
};

}  // namespace xmmu::compare

#endif  // XMMU_EXAMPLES_COMPARE_OUTPUT_FILE_H_
