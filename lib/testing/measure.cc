#include "xmmu/testing/measure.h"

#include <gtest/gtest.h>

namespace xmmu::testing::internal {

void FailAt(const SourceLocation& where, const std::string& why) {
  ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line())) << why;
}

}  // namespace xmmu::testing::internal
