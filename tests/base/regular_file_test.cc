#include "base/regular_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

namespace xmmu::regular_file_test {
namespace {

using ::testing::HasSubstr;

class RegularFile : public ::testing::Test {
 protected:
  RegularFile() : path_(::testing::TempDir() + "regular_file_test") {
    unlink(path_.c_str());
  }
  ~RegularFile() override { unlink(path_.c_str()); }

  std::string ErrorOf(const std::string& path) {
    return std::string(ReadRegularFile(path, 10).status().message());
  }

  const std::string path_;
};

TEST_F(RegularFile, IsReadUpToTheLimitAndNoByteMore) {
  std::ofstream(path_) << "0123456789";
  EXPECT_EQ(ReadRegularFile(path_, 10).value(), "0123456789");
  EXPECT_EQ(ReadRegularFile(path_, 9).status().message(),
            path_ + ": larger than can be, want at most 9 bytes");
}

TEST_F(RegularFile, MayBeEmptyAndHoldAnyByte) {
  std::ofstream(path_) << "";
  EXPECT_EQ(ReadRegularFile(path_, 10).value(), "");
  std::ofstream(path_) << std::string("\0\xff\n", 3);
  EXPECT_EQ(ReadRegularFile(path_, 10).value(), std::string("\0\xff\n", 3));
}

TEST_F(RegularFile, IsNoDirectoryPipeSocketOrDevice) {
  EXPECT_EQ(ErrorOf("."),
            "cannot read .: it is a directory, want a regular file");
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(ErrorOf(path_), HasSubstr("it is a pipe"));
  unlink(path_.c_str());
  const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(
      bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address),
      0);
  EXPECT_THAT(ErrorOf(path_), HasSubstr("it is a socket"));
  close(descriptor);
  EXPECT_THAT(ErrorOf("/dev/zero"), HasSubstr("it is a device"));
}

TEST_F(RegularFile, ThatIsNotThereIsNamedWithTheReason) {
  EXPECT_EQ(ErrorOf(path_),
            "cannot read " + path_ + ": No such file or directory");
}

}  // namespace
}  // namespace xmmu::regular_file_test
