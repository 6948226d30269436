#ifndef XMMU_REPORT_MACHINE_REPORT_H_
#define XMMU_REPORT_MACHINE_REPORT_H_

// All that is assumed of a machine, listed: every value with its band, mark,
// source and unit.
//
// Charges nothing. Any thread.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "xmmu/machine/machine_model.h"
#include "xmmu/report/document.h"

namespace xmmu {

enum class MachineFormat : uint8_t { kText, kCsv, kJson, kToml };

// "text", "csv", "json", "toml".
std::string_view MachineFormatName(MachineFormat format);
std::span<const MachineFormat> AllMachineFormats();

// Everything that `machine` says as a document.
Document MachineDocument(const MachineModel& machine);

// Everything that `machine` says, a line or an object a value.
//   kText  for people: key, value, band, unit, mark, source
//   kCsv   the same with a header, quoted as RFC 4180 has it
//   kJson  one object, an array of values under "values"
//   kToml  MachineToml()
std::string FormatMachine(const MachineModel& machine, MachineFormat format);

}  // namespace xmmu

#endif  // XMMU_REPORT_MACHINE_REPORT_H_
