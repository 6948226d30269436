#include "workload/input/file_error.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/printable.h"

namespace xmmu {

absl::Status FileError(absl::string_view file, uint64_t position,
                       absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(Printable({file.data(), file.size()}), ":", position, ": ",
                   Printable({what.data(), what.size()})));
}

std::string FileTitle(absl::string_view path) {
  if (absl::StartsWith(path, "/proc/self/fd/")) return "-";
  const absl::string_view name = path.substr(path.rfind('/') + 1);
  return Printable({name.data(), name.size()});
}

}  // namespace xmmu
