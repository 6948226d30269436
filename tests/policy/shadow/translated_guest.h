#ifndef XMMU_TESTS_POLICY_SHADOW_TRANSLATED_GUEST_H_
#define XMMU_TESTS_POLICY_SHADOW_TRANSLATED_GUEST_H_

// The translated guest of the conformance suite, whose first error is the
// running test's.

#include <string>

#include "gtest/gtest.h"
#include "testing/conformance/translated_guest.h"

namespace xmmu {

using conformance::kBase;
using conformance::kFar;
using conformance::kFrames;
using conformance::kLarge;
using conformance::kMapped;
using conformance::kTables;
using conformance::kUserRw;

class TranslatedGuest : public conformance::TranslatedGuest {
 public:
  using conformance::TranslatedGuest::TranslatedGuest;

 private:
  void Fail(const std::string& what) override { ADD_FAILURE() << what; }
};

}  // namespace xmmu

#endif  // XMMU_TESTS_POLICY_SHADOW_TRANSLATED_GUEST_H_
