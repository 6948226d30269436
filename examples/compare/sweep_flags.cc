#include "compare/sweep_flags.h"

#include <cstdint>
#include <string>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

ABSL_FLAG(bool, sensitivity, false,
          "says which conclusions stand, whatever the prices within their "
          "bands, and which one turns the others; of one vCPU");
ABSL_FLAG(std::string, sweep, "estimates",
          "prices that --sensitivity sweeps: estimates (also those "
          "remembered), or all that have a band");
ABSL_FLAG(uint32_t, samples, 1000,
          "samples of all these prices at once that --sensitivity draws");
ABSL_FLAG(uint64_t, seed, 1, "what the samples are drawn by");

namespace xmmu::compare {

absl::StatusOr<std::optional<SweepOptions>> SweepOfFlags(
    const Arguments& arguments) {
  const std::string sweep = absl::GetFlag(FLAGS_sweep);
  if (sweep != "estimates" && sweep != "all") {
    return absl::InvalidArgumentError(
        absl::StrCat("--sweep=", sweep, ": want estimates or all"));
  }
  const uint32_t samples = absl::GetFlag(FLAGS_samples);
  if (samples > kMaxSweepSamples) {
    return absl::InvalidArgumentError(
        absl::StrCat("--samples=", samples, ": want 0 to ", kMaxSweepSamples));
  }
  if (!absl::GetFlag(FLAGS_sensitivity)) {
    constexpr const char* kOfSweeps[] = {"sweep", "samples", "seed"};
    const absl::Status status = arguments.WantsFor("--sensitivity", kOfSweeps);
    if (!status.ok()) return status;
    return std::nullopt;
  }
  return SweepOptions{.all_bands = sweep == "all",
                      .samples = samples,
                      .seed = absl::GetFlag(FLAGS_seed)};
}

}  // namespace xmmu::compare
