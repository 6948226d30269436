#ifndef XMMU_LIB_CLI_RECORD_SPOOL_H_
#define XMMU_LIB_CLI_RECORD_SPOOL_H_

// The directory into which QEMU's plug-in writes while a command is recorded.
// Single-threaded.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xmmu::cli {

class Spool {
 public:
  // Makes one beside the file `beside`, as recordings are large and /tmp may be
  // small. Nobody else can look into it.
  // Errors: InvalidArgument, "DIRECTORY: why it cannot be".
  static absl::StatusOr<std::unique_ptr<Spool>> Create(
      const std::string& beside);

  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  // Removes the directory with all that is in it, unless it is kept.
  ~Spool();

  // Absolute.
  const std::string& directory() const { return directory_; }
  void Keep() { kept_ = true; }

  // Whether the plug-in could not go on, in any process.
  bool HasFailed() const;
  // Lines of the plug-in: why it could not go on, or else which programs were
  // not recorded, each once.
  std::vector<std::string> Lines() const;
  // Whether any program was begun, and whether any ran.
  bool HasBegun() const;
  bool HasPrograms() const;

 private:
  struct Status;

  bool HasFiles(bool (*of_interest)(const std::string& extension)) const;

  Spool(std::string directory, Status* status)
      : directory_(std::move(directory)), status_(status) {}

  const std::string directory_;
  Status* const status_;  // a mapping of the file `status`
  bool kept_ = false;
};

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_RECORD_SPOOL_H_
