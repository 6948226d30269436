#include "fuzz/conformance_input.h"

#include <algorithm>
#include <array>
#include <vector>

#include "guest/world.h"
#include "testing/conformance/lockstep.h"

namespace xmmu {
namespace {

using conformance::ByteChoice;
using conformance::RunLockstep;

constexpr std::array kVcpus = {1, 2, 4};
constexpr size_t kHeader = 3;  // bytes
// Bytes that a step takes, at least; an input is over when they are.
constexpr size_t kStepBytes = 4;

const std::vector<Setting>& SettingsOf(size_t vcpus) {
  static const auto* const all = [] {
    auto* const settings = new std::array<std::vector<Setting>, kVcpus.size()>;
    for (size_t i = 0; i < kVcpus.size(); ++i) {
      for (const Setting& setting : AllSettings(kVcpus.at(i))) {
        if (setting.policy != "native") settings->at(i).push_back(setting);
      }
    }
    return settings;
  }();
  return all->at(vcpus);
}

}  // namespace

std::string RunConformanceInput(std::span<const uint8_t> bytes,
                                int check_every) {
  if (bytes.size() < kHeader + kStepBytes) return "";
  const auto& settings = SettingsOf(bytes[0] % kVcpus.size());
  const size_t index = bytes[1] + size_t{256} * bytes[2];
  const std::span<const uint8_t> script = bytes.subspan(kHeader);
  const int steps = static_cast<int>(
      std::min<size_t>(script.size() / kStepBytes, size_t{400}));
  Setting setting = settings[index % settings.size()];
  if (bytes[0] / kVcpus.size() % 4 == 3) setting.thp = Thp::kAlways;
  return RunLockstep(setting, ByteChoice(script), steps, check_every).wrong;
}

}  // namespace xmmu
