#include "workload/input/file_error.h"

#include "absl/strings/str_cat.h"
#include "base/printable.h"

namespace xmmu {

absl::Status FileError(absl::string_view file, uint64_t position,
                       absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(Printable({file.data(), file.size()}), ":", position, ": ",
                   Printable({what.data(), what.size()})));
}

}  // namespace xmmu
