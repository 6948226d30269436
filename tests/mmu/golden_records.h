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
#include <utility>
#include <vector>

namespace xmmu::golden {

using Json = nlohmann::ordered_json;

// The directory to replay: XMMU_GOLDEN_X86_WALK, or the one in the source tree.
inline std::filesystem::path WalkDirectory() {
  const char* const other = std::getenv("XMMU_GOLDEN_X86_WALK");
  if (other != nullptr) return other;
  return std::filesystem::path(XMMU_SOURCE_DIR) / "tests/golden/x86-walk";
}

// The record files there, sorted by name; none if the directory cannot be read.
inline std::vector<std::filesystem::path> WalkFiles() {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(WalkDirectory(), error)) {
    const std::string name = entry.path().filename().string();
    if (name.find(".jsonl") != std::string::npos) files.push_back(entry.path());
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

// The JSON objects of a file, header first. Throws std::runtime_error, with the
// place, for a line that is none.
inline std::vector<Json> ReadRecords(const std::filesystem::path& path) {
  std::vector<Json> records;
  std::istringstream lines(Unzip(path));
  for (std::string line; std::getline(lines, line);) {
    Json record = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!record.is_object()) {
      throw std::runtime_error(path.string() + ":" +
                               std::to_string(records.size() + 1) +
                               ": not a JSON object");
    }
    records.push_back(std::move(record));
  }
  return records;
}

// Reads a number written as "0x...".
inline uint64_t Number(const Json& value) {
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  const bool hex =
      text.size() > 2 && text.size() <= 18 && text.rfind("0x", 0) == 0 &&
      text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string::npos;
  if (!hex) throw std::runtime_error("no \"0x\" number: " + value.dump());
  return std::stoull(text, nullptr, 16);
}

}  // namespace xmmu::golden

#endif  // XMMU_TESTS_MMU_GOLDEN_RECORDS_H_
