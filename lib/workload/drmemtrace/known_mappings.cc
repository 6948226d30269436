#include "workload/drmemtrace/known_mappings.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/printable.h"
#include "workload/input/byte_source.h"
#include "workload/input/file_error.h"
#include "workload/process/image_layout.h"
#include "workload/process/process_state.h"

namespace xmmu {
namespace {

// Assumed: bounds of what is read into memory. A process has at most 65530
// mappings (Linux, vm.max_map_count), and pages of one lie together.
constexpr size_t kMostRanges = size_t{1} << 20;
constexpr size_t kMostModuleBytes = size_t{64} << 20;
constexpr size_t kLongestLine = 4096;

constexpr uint64_t kLargePage = uint64_t{1} << 21;
constexpr uint64_t kHugePage = uint64_t{1} << 30;

bool IsPageSize(uint64_t bytes) {
  return bytes == kPageSize || bytes == kLargePage || bytes == kHugePage;
}

// Reads a number in decimal, or in hexadecimal behind 0x.
bool ReadNumber(absl::string_view text, uint64_t* value) {
  return absl::StartsWith(text, "0x") ? absl::SimpleHexAtoi(text, value)
                                      : absl::SimpleAtoi(text, value);
}

// The pages of one size, joined as they come.
class V2pPages {
 public:
  bool Add(uint64_t start, uint64_t end) {
    auto above = ranges_.lower_bound(start);
    if (above != ranges_.begin() && std::prev(above)->second >= start) {
      --above;
      start = above->first;
    }
    while (above != ranges_.end() && above->first <= end) {
      end = std::max(end, above->second);
      above = ranges_.erase(above);
    }
    ranges_.emplace(start, end);
    return ranges_.size() <= kMostRanges;
  }
  const absl::btree_map<uint64_t, uint64_t>& ranges() const { return ranges_; }

 private:
  absl::btree_map<uint64_t, uint64_t> ranges_;
};

// Parses the lines of a v2p.textproto: `name {`, `key: value` and `}`.
class V2pParser {
 public:
  explicit V2pParser(const std::string& path) : path_(path) {}

  absl::Status Line(absl::string_view line) {
    ++line_;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) return absl::OkStatus();
    if (line == "}") return Close();
    if (absl::ConsumeSuffix(&line, "{")) {
      const absl::string_view name = absl::StripTrailingAsciiWhitespace(line);
      in_page_ = name == "address_mapping";
      va_ = 0;
      ++depth_;
      return absl::OkStatus();
    }
    const size_t colon = line.find(':');
    uint64_t value = 0;
    if (colon == absl::string_view::npos ||
        !ReadNumber(absl::StripAsciiWhitespace(line.substr(colon + 1)),
                    &value)) {
      return Error(absl::StrCat("'", Printable(std::string(line)),
                                "', expected 'name {', '}' or 'key: number'"));
    }
    const absl::string_view key = line.substr(0, colon);
    if (key == "virtual_address") va_ = value;
    if (key == "page_size") {
      page_size_ = value;
      if (!IsPageSize(value)) {
        return Error(absl::StrCat("pages of ", value,
                                  " bytes, expected 4096, 2097152 or "
                                  "1073741824"));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<KnownMapping>> Finish() {
    if (depth_ != 0) return Error("it ends within '{', expected '}'");
    std::vector<KnownMapping> mappings;
    for (const auto& [size, pages] : pages_) {
      for (const auto& [start, end] : pages.ranges()) {
        KnownMapping& mapping = mappings.emplace_back();
        mapping.start = start;
        mapping.end = end;
        mapping.page_shift = size == kPageSize    ? 12
                             : size == kLargePage ? 21
                                                  : 30;
      }
    }
    return mappings;
  }

 private:
  absl::Status Error(absl::string_view what) const {
    return FileError(path_, line_, what);
  }

  // A page without an address is at 0 (proto3 leaves out zeros).
  absl::Status Close() {
    if (depth_ == 0)
      return Error("'}' without '{', expected a key or 'name {'");
    --depth_;
    if (!std::exchange(in_page_, false)) return absl::OkStatus();
    if (page_size_ == 0) {
      return Error("a page of unknown size, expected page_size before it");
    }
    const uint64_t page = va_ / page_size_ * page_size_;
    const uint64_t start = std::max(page, kLowestMapping);
    const uint64_t end = std::min(page + page_size_, kTaskEnd);
    if (page >= kTaskEnd || start >= end ||
        pages_[page_size_].Add(start, end)) {
      return absl::OkStatus();
    }
    return Error(absl::StrCat("more than ", kMostRanges,
                              " ranges of pages, expected pages that lie "
                              "together"));
  }

  const std::string& path_;
  uint64_t line_ = 0;
  int depth_ = 0;
  bool in_page_ = false;
  uint64_t va_ = 0;
  uint64_t page_size_ = 0;
  absl::btree_map<uint64_t, V2pPages> pages_;  // by size
};

// Parses the rows of a modules.log.
class ModuleParser {
 public:
  ModuleParser(const std::string& path, absl::string_view text)
      : path_(path), rest_(text) {}

  absl::StatusOr<std::vector<KnownMapping>> Parse() {
    absl::string_view head = TakeLine();
    uint32_t version = 0;
    uint32_t count = 0;
    absl::string_view version_text;
    if (!absl::ConsumePrefix(&head, "Module Table: version ") ||
        !TakeField(&head, &version_text) ||
        !absl::SimpleAtoi(version_text, &version) ||
        !absl::ConsumePrefix(&head, " count ") ||
        !absl::SimpleAtoi(head, &count)) {
      return Error(
          "no table of modules, expected 'Module Table: version N, "
          "count N'");
    }
    TakeLine();  // the names of the columns
    std::vector<KnownMapping> mappings;
    for (uint32_t i = 0; i < count; ++i) {
      const absl::Status row = Row(version, &mappings);
      if (!row.ok()) return row;
    }
    return mappings;
  }

 private:
  absl::Status Error(absl::string_view what) const {
    return FileError(path_, line_, what);
  }

  absl::string_view TakeLine() {
    ++line_;
    const size_t end = rest_.find('\n');
    const absl::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(rest_.size(), line.size() + 1));
    return absl::StripTrailingAsciiWhitespace(line);
  }

  static bool TakeField(absl::string_view* from, absl::string_view* field) {
    const size_t comma = from->find(',');
    if (comma == absl::string_view::npos) return false;
    *field = absl::StripAsciiWhitespace(from->substr(0, comma));
    from->remove_prefix(comma + 1);
    return true;
  }

  bool HexField(uint64_t* value) {
    absl::string_view field;
    return TakeField(&rest_, &field) && absl::SimpleHexAtoi(field, value);
  }

  // `id, containing id, start, end, entry, offset, [preferred base,] v#1,LEN,`,
  // LEN bytes of any kind, `, path`.
  absl::Status Row(uint32_t version, std::vector<KnownMapping>* mappings) {
    ++line_;
    KnownMapping row;
    absl::string_view field;
    uint64_t ignored = 0;
    uint64_t bytes = 0;
    constexpr uint32_t kFirstWithBase = 5;
    const bool read = TakeField(&rest_, &field) && TakeField(&rest_, &field) &&
                      HexField(&row.start) && HexField(&row.end) &&
                      HexField(&ignored) && HexField(&row.offset) &&
                      (version < kFirstWithBase || HexField(&ignored)) &&
                      TakeField(&rest_, &field) && field == "v#1" &&
                      TakeField(&rest_, &field) &&
                      absl::SimpleAtoi(field, &bytes) && bytes < rest_.size();
    if (!read) {
      return Error(
          "no row of a module, expected its ids, start, end, entry, "
          "offset, 'v#1', a length and as many bytes, and a path");
    }
    rest_.remove_prefix(bytes);
    --line_;  // TakeLine() counts it
    const absl::string_view path = absl::StripAsciiWhitespace(TakeLine());
    if (row.start > row.end || row.end > kUserEnd) return absl::OkStatus();
    row.is_file = true;
    row.file = FileIdentity(path);
    row.offset &= ~kPageOffsetMask;
    row.start &= ~kPageOffsetMask;
    row.end = (row.end + kPageOffsetMask) & ~kPageOffsetMask;
    if (row.start < row.end && row.end <= kUserEnd) mappings->push_back(row);
    return absl::OkStatus();
  }

  const std::string& path_;
  absl::string_view rest_;
  uint64_t line_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<KnownMapping>> ReadV2p(const std::string& path) {
  const auto source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  V2pParser parser(path);
  std::string text;  // of lines that are not whole yet
  for (bool more = true; more;) {
    const absl::StatusOr<absl::string_view> block = (*source)->Next();
    if (!block.ok()) return block.status();
    more = !block->empty();
    absl::StrAppend(&text, *block, more ? "" : "\n");
    size_t begin = 0;
    for (size_t end = text.find('\n'); end != std::string::npos;
         end = text.find('\n', begin)) {
      const absl::Status line =
          parser.Line(absl::string_view(text).substr(begin, end - begin));
      if (!line.ok()) return line;
      begin = end + 1;
    }
    text.erase(0, begin);
    if (text.size() > kLongestLine) {
      return FileError(path, 1,
                       "a line of more than 4096 bytes, expected text");
    }
  }
  return parser.Finish();
}

absl::StatusOr<std::vector<KnownMapping>> ReadModules(const std::string& path) {
  const auto source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  std::string text;
  for (;;) {
    const absl::StatusOr<absl::string_view> block = (*source)->Next();
    if (!block.ok()) return block.status();
    if (block->empty()) break;
    absl::StrAppend(&text, *block);
    if (text.size() > kMostModuleBytes) {
      return FileError(path, 1,
                       "more than 64 MiB, expected a table of modules");
    }
  }
  return ModuleParser(path, text).Parse();
}

bool Contains(const std::vector<KnownMapping>& mappings, uint64_t va) {
  return std::any_of(mappings.begin(), mappings.end(),
                     [va](const KnownMapping& mapping) {
                       return mapping.start <= va && va < mapping.end;
                     });
}

}  // namespace xmmu
