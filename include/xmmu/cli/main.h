#ifndef XMMU_CLI_MAIN_H_
#define XMMU_CLI_MAIN_H_

// The whole program `xmmu` as a function, so that a main() of five lines has
// all of it with policies, workloads and machines of one's own beside the
// built-in ones:
//
//   int main(int argc, char** argv) {
//     xmmu::cli::Extensions mine;
//     mine.policies.push_back({"watched", "exits at each event", &MakeWatched});
//     return xmmu::cli::Main(argc, argv, mine);
//   }
//
// `list` names them, `--policies=all` runs them, and a misspelt name is
// answered by the nearest of all.
//
// Called by one thread, once in a process, as it closes standard output. The
// program runs as many simulations at a time as --jobs says, by default as many
// as there are cores: with more than one, policies and workloads of one's own are
// made, and used, by several threads at a time, each object by one alone. With
// --jobs=1 they are by the calling thread only.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/policy/policies.h"
#include "xmmu/workload/synthetic.h"
#include "xmmu/workload/workload.h"

namespace xmmu::cli {

// A strategy of one's own. `name` is what --policies takes and what
// Policy::name() says: letters, digits, '.', '_', '-' and '+'.
struct OwnPolicy {
  std::string name;
  std::string help;  // one line
  PolicyFactory make;
};

// A workload of one's own: --workload=NAME[:PARAMETER=NUMBER,...].
struct OwnWorkload {
  std::string name;
  std::string help;  // one line
  std::vector<SyntheticParameter> parameters;
  // Makes it from a value for each of `parameters`. Called anew for each run,
  // which must see the same operations each time.
  std::function<absl::StatusOr<std::unique_ptr<Workload>>(
      std::span<const uint64_t> values)>
      make;
};

struct Extensions {
  std::vector<OwnPolicy> policies;
  std::vector<OwnWorkload> workloads;
  std::vector<MachineModel> machines;  // --machine takes their names
};

// Runs the program `xmmu`: see xmmu --help. Returns the exit status: 0; 2 for
// what the user can put right, such as an option, a trace or an extension that
// has the name of another; 1 for anything else, such as a full disk; 130, 143 or
// 129 after SIGINT, SIGTERM or SIGHUP, unless the process ignores it. With all
// but 0 one line is on standard error and nothing on standard output.
// A command that SIGINT, SIGTERM or SIGHUP does not end in a quarter of a second
// ends the process. Handles SIGPIPE by an error, and throws nothing.
int Main(int argc, char** argv, const Extensions& extensions = {});

}  // namespace xmmu::cli

#endif  // XMMU_CLI_MAIN_H_
