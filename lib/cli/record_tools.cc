#include "cli/record_tools.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/text.h"

#ifndef XMMU_LIBEXEC_FROM_BIN
#define XMMU_LIBEXEC_FROM_BIN "../libexec/xmmu"
#endif

namespace xmmu::cli {
namespace {

// The file itself, as the recorded program may go to another directory.
std::string Absolute(const std::string& path) {
  char whole[PATH_MAX];
  return realpath(path.c_str(), whole) == nullptr ? path : whole;
}

absl::StatusOr<std::string> FindQemu(const std::string& name) {
  const std::string path = FindInPath(name);
  if (!path.empty()) return Absolute(path);
  return absl::InvalidArgumentError(absl::StrCat(
      name,
      " is missing: install Debian's package qemu-user, or record by "
      "Valgrind, --with=lackey"));
}

// A value within -plugin has its commas doubled (QEMU, util/qemu-option.c).
std::string PluginArgument(std::string_view name, const std::string& value) {
  return absl::StrCat(",", Abs(name), "=",
                      absl::StrReplaceAll(value, {{",", ",,"}}));
}

bool IsOfLoader(std::string_view variable) {
  for (const std::string_view prefix :
       {"LD_", "QEMU_", "GLIBC_TUNABLES=", "MALLOC_", "G_"}) {
    if (variable.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::string> FindOwnFile(const std::string& name) {
  const std::string own = Absolute("/proc/self/exe");
  const std::string here = own.substr(0, own.rfind('/') + 1);
  std::string tried;
  for (const std::string_view place :
       {XMMU_LIBEXEC_FROM_BIN, "../libexec/xmmu"}) {
    const std::string file = absl::StrCat(here, Abs(place), "/", name);
    if (access(file.c_str(), R_OK) == 0) return Absolute(file);
    if (tried.empty()) tried = file;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      tried, ": is missing; build the target xmmu_record_plugin, or install"));
}

absl::StatusOr<RecordTools> FindRecordTools() {
  RecordTools tools;
  const auto wide = FindQemu("qemu-x86_64");
  if (!wide.ok()) return wide.status();
  const auto plugin = FindOwnFile("xmmu_record.so");
  if (!plugin.ok()) return plugin.status();
  return RecordTools{*wide, FindQemu("qemu-i386").value_or(""), *plugin};
}

std::vector<std::string> RecordingWords(const RecordTools& tools,
                                        const RecordedProgram& program,
                                        const std::string& directory) {
  const std::string plugin = absl::StrCat(
      absl::StrReplaceAll(tools.plugin, {{",", ",,"}}),
      PluginArgument("spool", directory), PluginArgument("self", tools.plugin),
      PluginArgument("wide", tools.wide),
      PluginArgument("narrow", tools.narrow));
  std::vector<std::string> words = {program.narrow ? tools.narrow : tools.wide,
                                    "-cpu",
                                    "max",
                                    "-plugin",
                                    plugin,
                                    "-0",
                                    program.words.front(),
                                    "--",
                                    program.path};
  words.insert(words.end(), program.words.begin() + 1, program.words.end());
  return words;
}

std::vector<std::string> RecordingEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    std::string text = *variable;
    if (IsOfLoader(text)) text[0] = static_cast<char>(text[0] | 0x80);
    variables.push_back(std::move(text));
  }
  return variables;
}

}  // namespace xmmu::cli
