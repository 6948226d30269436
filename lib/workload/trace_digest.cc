#include "xmmu/workload/trace_digest.h"

#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/strings/str_join.h"
#include "workload/input/file_error.h"
#include "workload/input/sha1.h"
#include "workload/lackey/log_file.h"
#include "workload/packed/layout.h"
#include "workload/packed/packed_format.h"
#include "xmmu/workload/packed_trace.h"

namespace xmmu {
namespace {

constexpr unsigned kBlock = 1u << 18;  // bytes read at a time

absl::StatusOr<std::string> FileDigest(const std::string& path) {
  // Refuses what is no regular file before zlib waits for it.
  if (const auto log = LogFile::Open(path); !log.ok()) return log.status();
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(
      gzopen(path.c_str(), "rb"), &gzclose);
  if (file == nullptr) return FileError(path, 1, "cannot be read");
  Sha1 hash;
  std::vector<char> block(kBlock);
  int got = 0;
  while ((got = gzread(file.get(), block.data(), kBlock)) > 0) {
    hash.Add({block.data(), static_cast<size_t>(got)});
  }
  if (got < 0) return FileError(path, 1, "its gzip data is damaged");
  return hash.Hex();
}

bool IsPackedFile(const std::string& path) {
  TraceSample sample;
  sample.raw.resize(kPackedMagic.size());
  if (!LogFile::Open(path).ok()) return false;  // a pipe, say
  std::ifstream file(path, std::ios::binary);
  file.read(sample.raw.data(), static_cast<std::streamsize>(sample.raw.size()));
  return IsPackedTrace(sample);
}

}  // namespace

absl::StatusOr<std::string> TraceDigest(std::span<const std::string> files) {
  if (files.size() == 1 && IsPackedFile(files[0])) {
    const auto packed = PackedTraceReader::Open(files[0]);
    if (!packed.ok()) return packed.status();
    return (*packed)->content_hash();
  }
  std::vector<std::string> lines;
  for (const std::string& path : files) {
    absl::StatusOr<std::string> digest = FileDigest(path);
    if (!digest.ok()) return digest.status();
    lines.push_back(*digest + "\n");
  }
  std::sort(lines.begin(), lines.end());
  const std::string all = absl::StrJoin(lines, "");
  Sha1 hash;
  hash.Add(all);
  return hash.Hex();
}

}  // namespace xmmu
