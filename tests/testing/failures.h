#ifndef XMMU_TESTS_TESTING_FAILURES_H_
#define XMMU_TESTS_TESTING_FAILURES_H_

// Collects the failures of a piece of a test without failing the running test.

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace xmmu::testing {

struct Failure {
  std::string file;
  int line = 0;
  std::string text;
  bool fatal = false;
};

template <typename Work>
std::vector<Failure> FailuresOf(Work work) {
  ::testing::TestPartResultArray results;
  {
    const ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::
            INTERCEPT_ONLY_CURRENT_THREAD,
        &results);
    work();
  }
  std::vector<Failure> failures;
  for (int i = 0; i < results.size(); ++i) {
    const ::testing::TestPartResult& result = results.GetTestPartResult(i);
    if (!result.failed()) continue;
    const char* const file = result.file_name();
    failures.push_back({.file = file == nullptr ? "" : file,
                        .line = result.line_number(),
                        .text = result.message(),
                        .fatal = result.fatally_failed()});
  }
  return failures;
}

// Returns the text of the failure of `work`, which is expected to fail exactly
// once.
template <typename Work>
std::string OneFailureOf(Work work) {
  const std::vector<Failure> failures = FailuresOf(work);
  EXPECT_EQ(failures.size(), 1u);
  for (size_t i = 1; i < failures.size(); ++i) {
    ADD_FAILURE() << "failure " << i << ": " << failures[i].text;
  }
  return failures.empty() ? "" : failures[0].text;
}

}  // namespace xmmu::testing

#endif  // XMMU_TESTS_TESTING_FAILURES_H_
