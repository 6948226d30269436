#include "workload/champsim/champsim_record.h"

#include <algorithm>

#include "absl/base/internal/endian.h"

namespace xmmu {
namespace {

constexpr size_t kBranchAt = 8;
constexpr size_t kTakenAt = 9;
constexpr size_t kSampledRecords = 1000;

// Where fields are in a record, in bytes.
struct Fields {
  size_t stores_at;
  size_t stores;
  size_t loads_at;
};
constexpr Fields kStandardFields = {16, 2, 32};
constexpr Fields kCloudSuiteFields = {24, 4, 56};
constexpr size_t kRegistersEnd = 18;
constexpr size_t kSpaceAt = 88;
constexpr size_t kSpaceEnd = 90;
constexpr size_t kCloudSuiteEnd = 96;

bool IsZero(const char* bytes, size_t from, size_t to) {
  return std::all_of(bytes + from, bytes + to, [](char c) { return c == 0; });
}

uint64_t LongAt(const char* bytes, size_t at) {
  return absl::little_endian::Load64(bytes + at);
}

// Whether all whole records of the sample are possible, and there is one.
bool Fits(absl::string_view content, ChampsimLayout layout) {
  const size_t bytes = RecordBytesOf(layout);
  const size_t count = std::min(content.size() / bytes, kSampledRecords);
  for (size_t i = 0; i < count; ++i) {
    if (!ParseChampsim(content.data() + i * bytes, layout).possible()) {
      return false;
    }
  }
  return count > 0;
}

}  // namespace

bool ChampsimRecord::has_memory() const {
  const auto used = [](uint64_t va) { return va != 0; };
  return std::any_of(stores.begin(), stores.end(), used) ||
         std::any_of(loads.begin(), loads.end(), used);
}

ChampsimRecord ParseChampsim(const char* bytes, ChampsimLayout layout) {
  const bool cloud_suite = layout == ChampsimLayout::kCloudSuite;
  const Fields& fields = cloud_suite ? kCloudSuiteFields : kStandardFields;
  ChampsimRecord record;
  record.ip = LongAt(bytes, 0);
  record.is_branch = static_cast<uint8_t>(bytes[kBranchAt]);
  record.branch_taken = static_cast<uint8_t>(bytes[kTakenAt]);
  for (size_t i = 0; i < fields.stores; ++i) {
    record.stores[i] = LongAt(bytes, fields.stores_at + 8 * i);
  }
  for (size_t i = 0; i < kMostLoads; ++i) {
    record.loads[i] = LongAt(bytes, fields.loads_at + 8 * i);
  }
  if (cloud_suite) {
    record.address_space = absl::little_endian::Load16(bytes + kSpaceAt);
    record.padded = IsZero(bytes, kRegistersEnd, kCloudSuiteFields.stores_at) &&
                    IsZero(bytes, kSpaceEnd, kCloudSuiteEnd);
  }
  return record;
}

ChampsimLayout LayoutOf(absl::string_view content) {
  const bool standard = Fits(content, ChampsimLayout::kStandard);
  const bool cloud_suite = Fits(content, ChampsimLayout::kCloudSuite);
  if (standard && cloud_suite) {
    const bool whole =
        content.size() % RecordBytesOf(ChampsimLayout::kStandard) == 0 ||
        content.size() % RecordBytesOf(ChampsimLayout::kCloudSuite) != 0;
    return whole ? ChampsimLayout::kStandard : ChampsimLayout::kCloudSuite;
  }
  if (standard) return ChampsimLayout::kStandard;
  return cloud_suite ? ChampsimLayout::kCloudSuite : ChampsimLayout::kNone;
}

bool IsChampsimContent(absl::string_view content) {
  const ChampsimLayout layout = LayoutOf(content);
  if (layout == ChampsimLayout::kNone) return false;
  const size_t bytes = RecordBytesOf(layout);
  for (size_t at = 0; at + bytes <= content.size(); at += bytes) {
    const uint64_t high = LongAt(content.data(), at) >> 48;
    if (high != 0 && high != 0xffff) return false;
  }
  return true;
}

}  // namespace xmmu
