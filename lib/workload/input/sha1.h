#ifndef XMMU_LIB_WORKLOAD_INPUT_SHA1_H_
#define XMMU_LIB_WORKLOAD_INPUT_SHA1_H_

// SHA-1 is that of Boost, which is a dependency already. 160 bits tell traces
// apart; nobody is to be kept from forging one. Single-threaded.

#include <boost/uuid/detail/sha1.hpp>
#include <string>

#include "absl/strings/string_view.h"

namespace xmmu {

class Sha1 {
 public:
  void Add(absl::string_view bytes) {
    hash_.process_bytes(bytes.data(), bytes.size());
  }
  // The digest of all that was added, in 40 hex digits. Call it once.
  std::string Hex();

 private:
  boost::uuids::detail::sha1 hash_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INPUT_SHA1_H_
