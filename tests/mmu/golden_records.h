#ifndef XMMU_TESTS_MMU_GOLDEN_RECORDS_H_
#define XMMU_TESTS_MMU_GOLDEN_RECORDS_H_

// Reads the recorded page walks of tests/golden/x86-walk (see FORMAT.md there).

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace xmmu::golden {

using Json = nlohmann::ordered_json;

// The directory to replay: XMMU_GOLDEN_X86_WALK, or the one in the source tree.
inline std::filesystem::path WalkDirectory() {
  const char* const other = std::getenv("XMMU_GOLDEN_X86_WALK");
  if (other != nullptr) return other;
  return std::filesystem::path(XMMU_SOURCE_DIR) / "tests/golden/x86-walk";
}

// The record files there, by name.
inline std::vector<std::filesystem::path> WalkFiles() {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(WalkDirectory(), error)) {
    if (entry.path().extension() == ".gz") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// The unpacked text of a gzip file; empty if it cannot be read to its end.
inline std::string Unzip(const std::filesystem::path& path) {
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return {};
  std::string text;
  std::vector<char> buffer(size_t{1} << 16);
  int got = 0;
  while ((got = gzread(file, buffer.data(),
                       static_cast<unsigned>(buffer.size()))) > 0) {
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  return gzclose(file) == Z_OK && got == 0 ? text : std::string();
}

// The JSON objects of a file, header first.
inline std::vector<Json> ReadRecords(const std::filesystem::path& path) {
  std::vector<Json> records;
  std::istringstream lines(Unzip(path));
  for (std::string line; std::getline(lines, line);) {
    records.push_back(Json::parse(line));
  }
  return records;
}

// A number written as "0x...".
inline uint64_t Number(const Json& value) {
  return std::stoull(value.get<std::string>(), nullptr, 16);
}

}  // namespace xmmu::golden

#endif  // XMMU_TESTS_MMU_GOLDEN_RECORDS_H_
