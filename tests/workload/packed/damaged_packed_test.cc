// A packed trace that is cut off, damaged or of another version is refused in
// one line that says where, or is what it was.

#include <gmock/gmock.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "workload/packed/packed_support.h"
#include "workload/packed/small_streams.h"

namespace xmmu::damaged_packed_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class DamagedPackedTest : public PackedTest {
 protected:
  void SetUp() override {
    streams_ = SmallStreams();
    ASSERT_TRUE(Pack(streams_, 7).ok());
    whole_ = Contents(path_);
  }

  // Whether `bytes` are refused by one line, or read as the whole.
  ::testing::AssertionResult Stands(const std::string& bytes) const {
    Write(bytes);
    const auto streams = ReadBack();
    if (streams.ok()) {
      if (SameStreams(*streams, streams_)) return ::testing::AssertionSuccess();
      return ::testing::AssertionFailure() << "other operations";
    }
    const std::string line(streams.status().message());
    if (absl::StartsWith(line, path_ + ":") &&
        absl::StrContains(line, "expected") && !absl::StrContains(line, "\n")) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << line;
  }

  std::string ErrorOf(const std::string& bytes) const {
    Write(bytes);
    const auto streams = ReadBack();
    return streams.ok() ? "" : std::string(streams.status().message());
  }

  Streams streams_;
  std::string whole_;
};

TEST_F(DamagedPackedTest, EveryChangedByteIsRefusedOrWithoutEffect) {
  for (size_t at = 0; at < whole_.size(); ++at) {
    for (const int flip : {0x01, 0xFF}) {
      std::string bytes = whole_;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      EXPECT_TRUE(Stands(bytes)) << "byte " << at << " ^ " << flip;
    }
  }
}

TEST_F(DamagedPackedTest, EveryCutIsRefused) {
  for (size_t bytes = 0; bytes < whole_.size(); ++bytes) {
    EXPECT_TRUE(Stands(whole_.substr(0, bytes))) << bytes << " bytes";
    EXPECT_NE(ErrorOf(whole_.substr(0, bytes)), "") << bytes << " bytes";
  }
}

TEST_F(DamagedPackedTest, ACutSaysWhereTheFileEndsAndWhatIsMissing) {
  const size_t size = whole_.size();
  EXPECT_EQ(ErrorOf(whole_.substr(0, size - 3)),
            absl::StrCat(path_, ":", size - 3,
                         ": the file ends here, expected 3 more bytes"));
  EXPECT_EQ(ErrorOf(whole_ + "ab"),
            absl::StrCat(path_, ":", size,
                         ": 2 bytes behind the index, expected none"));
}

TEST_F(DamagedPackedTest, ADamagedBlockIsNamedByItsPlace) {
  std::string bytes = whole_;
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  EXPECT_THAT(ErrorOf(bytes), StartsWith(path_ + ":80: a block is damaged: "
                                                 "its checksum is "));
}

TEST_F(DamagedPackedTest, ANewerVersionIsRefusedInWords) {
  std::string bytes = whole_;
  bytes[8] = 2;
  EXPECT_EQ(ErrorOf(bytes),
            path_ +
                ":8: a packed trace of version 2, expected one from 1 to 1: a "
                "newer xmmu may read it");
}

TEST_F(DamagedPackedTest, TwoPackedTracesAreNoRecording) {
  const auto trace = OpenTrace({path_, path_}, {});
  EXPECT_THAT(std::string(trace.status().message()),
              HasSubstr("a second packed trace, expected one file"));
}

}  // namespace
}  // namespace xmmu::damaged_packed_test
