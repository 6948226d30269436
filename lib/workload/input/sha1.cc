#include "workload/input/sha1.h"

#include "absl/strings/str_cat.h"

namespace xmmu {

// Boost gives the digest as words, or since 1.86 as bytes.
std::string Sha1::Hex() {
  boost::uuids::detail::sha1::digest_type digest;
  hash_.get_digest(digest);
  std::string text;
  for (const auto part : digest) {
    const std::string digits = absl::StrCat(absl::Hex(part, absl::kZeroPad8));
    text += digits.substr(8 - 2 * sizeof(part));
  }
  return text;
}

}  // namespace xmmu
