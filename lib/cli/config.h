#ifndef XMMU_LIB_CLI_CONFIG_H_
#define XMMU_LIB_CLI_CONFIG_H_

#include <span>
#include <string>

#include "absl/status/status.h"
#include "cli/arguments.h"

namespace xmmu::cli {

// Adds to `arguments` what the TOML file at `path` says of `options`, where the
// command line does not. A key is the name of an option, with '-' or '_'; a
// value is a text, a number, true or false, or a list of these:
//
//   policies = ["native", "pinning"]
//   memory = 64
//
// Errors: InvalidArgument, "FILE:LINE: what is wrong", or what
// ReadRegularFile() says. The values themselves are checked by who reads them.
absl::Status ReadConfig(const std::string& path,
                        std::span<const Option> options, Arguments& arguments);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_CONFIG_H_
