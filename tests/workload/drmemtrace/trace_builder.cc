#include "workload/drmemtrace/trace_builder.h"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "workload/input/snappy_frames.h"
#include "workload/inspect/op_names.h"

namespace xmmu {
namespace {

std::string LittleEndian(uint64_t value, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) {
    text.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
  return text;
}

la_ssize_t Append(archive*, void* to, const void* bytes, size_t size) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

std::string Archived(
    const std::vector<std::pair<std::string, std::string>>& members,
    const std::string& filter) {
  std::string text;
  archive* const writer = archive_write_new();
  if (filter.empty()) {
    archive_write_set_format_zip(writer);
  } else {
    archive_write_set_format_raw(writer);
    EXPECT_EQ(archive_write_add_filter_by_name(writer, filter.c_str()), 0);
  }
  archive_write_set_bytes_per_block(writer, 0);
  archive_write_open2(writer, &text, nullptr, &Append, nullptr, nullptr);
  for (const auto& [name, bytes] : members) {
    archive_entry* const entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
    archive_write_header(writer, entry);
    archive_write_data(writer, bytes.data(), bytes.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  return text;
}

// A block of literals of at most 60 bytes, and of copies for runs of zeros.
std::string SnappyBlock(std::string_view bytes) {
  std::string block;
  for (size_t left = bytes.size();; left >>= 7) {
    block.push_back(static_cast<char>((left & 0x7f) | (left > 127 ? 128 : 0)));
    if (left <= 127) break;
  }
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.size(), at + 60);
    size_t run = at;
    while (at > 0 && bytes[at - 1] == 0 && run < end && bytes[run] == 0) ++run;
    if (run - at >= 4) {  // a copy that overlaps itself, of offset 1
      block.push_back(static_cast<char>((run - at - 1) << 2 | 2));
      block += LittleEndian(1, 2);
      at = run;
      continue;
    }
    size_t literal = at + 1;
    while (literal < end && (bytes[literal - 1] != 0 || bytes[literal] != 0)) {
      ++literal;
    }
    block.push_back(static_cast<char>((literal - at - 1) << 2));
    block.append(bytes.substr(at, literal - at));
    at = literal;
  }
  return block;
}

}  // namespace

TraceBytes& TraceBytes::Add(uint16_t type, uint16_t size, uint64_t address) {
  bytes_ +=
      LittleEndian(type, 2) + LittleEndian(size, 2) + LittleEndian(address, 8);
  return *this;
}

TraceBytes& TraceBytes::Head(uint64_t version, uint64_t thread,
                             uint64_t process, uint64_t file_type,
                             uint64_t chunk) {
  Add(25, 0, version);
  if (version >= 2) Marker(12, version).Marker(9, file_type);
  Add(22, 4, thread).Add(24, 4, process);
  if (version >= 2) Marker(10, 64);
  if (version >= 4) Marker(20, chunk).Marker(18, 4096);
  return *this;
}

TraceBytes& TraceBytes::Call(uint64_t number, std::vector<uint64_t> args,
                             uint64_t result) {
  const uint64_t function = (uint64_t{1} << 32) + number;
  Marker(25, number).Marker(4, function);
  for (const uint64_t arg : args) Marker(6, arg);
  Marker(4, function).Marker(7, result);
  const auto value = static_cast<int64_t>(result);
  if (value < 0 && value > -4096) Marker(30, static_cast<uint64_t>(-value));
  return *this;
}

std::string Compressed(const std::string& bytes, const std::string& filter) {
  return Archived({{"data", bytes}}, filter);
}

std::string Zip(
    const std::vector<std::pair<std::string, std::string>>& members) {
  return Archived(members, "");
}

std::string Snappy(const std::string& bytes, bool checked) {
  std::string text(kSnappyMagic);
  text += std::string("\xfe\x03\x00\x00pad", 7);  // padding
  for (size_t at = 0; at < bytes.size(); at += 65536) {
    const std::string_view part = std::string_view(bytes).substr(at, 65536);
    const uint32_t crc = Crc32c({part.data(), part.size()});
    const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8;
    const std::string body =
        (checked ? LittleEndian(masked, 4) : "") + SnappyBlock(part);
    text.push_back(checked ? '\0' : '\x02');
    text += LittleEndian(body.size(), 3) + body;
  }
  return text;
}

uint64_t Stream::Count(GuestOpKind kind) const {
  return static_cast<uint64_t>(
      std::count_if(ops.begin(), ops.end(),
                    [kind](const GuestOp& op) { return op.kind == kind; }));
}

std::string Stream::Kinds() const {
  std::vector<std::string> names;
  for (const GuestOp& op : ops) {
    if (op.kind > GuestOpKind::kModify) names.emplace_back(OpKindName(op.kind));
  }
  return absl::StrJoin(names, " ");
}

DrmemtraceTest::DrmemtraceTest()
    : directory_(std::filesystem::path(testing::TempDir()) /
                 absl::StrCat("drmemtrace-", getpid())) {
  std::filesystem::create_directories(directory_);
}

DrmemtraceTest::~DrmemtraceTest() { std::filesystem::remove_all(directory_); }

std::string DrmemtraceTest::File(const std::string& name,
                                 std::string_view bytes) const {
  const std::filesystem::path path = directory_ / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  return path.string();
}

absl::StatusOr<std::map<TaskId, Stream>> DrmemtraceTest::ReadAll(
    std::vector<std::string> files, TraceOptions options) {
  auto trace = OpenTrace(std::move(files), options);
  if (!trace.ok()) return trace.status();
  std::map<TaskId, Stream> streams;
  std::vector<TaskId> tasks = {(*trace)->first_task()};
  while (!tasks.empty()) {
    const TaskId task = tasks.back();
    const auto span = (*trace)->Next(task);
    if (!span.ok()) return span.status();
    std::vector<TaskId> born;
    for (const GuestOp& op : *span) {
      streams[task].ops.push_back(op);
      const bool forks =
          op.kind == GuestOpKind::kFork || op.kind == GuestOpKind::kVfork;
      if (forks) born.push_back(op.child);
    }
    if (span->back().kind == GuestOpKind::kExit) tasks.pop_back();
    tasks.insert(tasks.begin(), born.begin(), born.end());
  }
  facts_ = (*trace)->facts();
  return streams;
}

std::string DrmemtraceTest::ErrorOf(std::vector<std::string> files) {
  const auto read = ReadAll(std::move(files));
  if (read.ok()) return "";
  std::string message(read.status().message());
  const std::string prefix = directory_.string() + "/";
  for (size_t at = message.find(prefix); at != std::string::npos;
       at = message.find(prefix)) {
    message.erase(at, prefix.size());
  }
  return message;
}

uint64_t DrmemtraceTest::Count(std::string_view name) const {
  for (const auto& [known, count] : facts_.counts) {
    if (known == name) return count;
  }
  ADD_FAILURE() << "no count " << name;
  return 0;
}

bool DrmemtraceTest::Lacks(std::string_view text) const {
  return std::any_of(facts_.lacks.begin(), facts_.lacks.end(),
                     [text](const std::string& clause) {
                       return clause.find(text) != std::string::npos;
                     });
}

}  // namespace xmmu
