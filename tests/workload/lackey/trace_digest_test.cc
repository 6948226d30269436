#include "xmmu/workload/trace_digest.h"

#include <zlib.h>

#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xmmu::trace_digest_test {
namespace {

using ::testing::HasSubstr;

// A file of this test, plain or compressed.
std::string Plain(const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + "trace_digest_" + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}
std::string Gzip(const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + "trace_digest_" + name;
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  return path;
}

std::string DigestOf(const std::vector<std::string>& files) {
  const auto digest = TraceDigest(files);
  return digest.ok() ? *digest : std::string(digest.status().message());
}

// The digests are those of
//   printf 'abc' | sha1sum | cut -c1-40 | sort | sha1sum
TEST(TraceDigestTest, IsWhatSha1sumMakesOfTheFiles) {
  EXPECT_EQ(DigestOf({Plain("abc", "abc")}),
            "a857a8b66443d636bc8ae23f90ac0e7f5ef8ab30");
  EXPECT_EQ(DigestOf({Plain("abc", "abc"), Plain("de", "de")}),
            "ad208e4290b23894958c6e24990993013a20ed69");
}

TEST(TraceDigestTest, NamesOrderAndCompressionDoNotCount) {
  const std::string a = Plain("a", std::string(1 << 20, 'x'));
  const std::string b = Plain("b", "line\n");
  const std::string c = Gzip("c.gz", std::string(1 << 20, 'x'));
  EXPECT_EQ(DigestOf({a, b}), DigestOf({b, c}));
}

TEST(TraceDigestTest, AByteMoreOrAFileTwiceCounts) {
  const std::string a = Plain("a", "line\n");
  EXPECT_NE(DigestOf({a}), DigestOf({Plain("b", "line\n\n")}));
  EXPECT_NE(DigestOf({a}), DigestOf({a, a}));
}

TEST(TraceDigestTest, WhatCannotBeReadIsNamed) {
  EXPECT_THAT(DigestOf({::testing::TempDir() + "trace_digest_none"}),
              HasSubstr("trace_digest_none:1: cannot be read"));
  EXPECT_THAT(DigestOf({::testing::TempDir()}), HasSubstr("is a directory"));
}

}  // namespace
}  // namespace xmmu::trace_digest_test
