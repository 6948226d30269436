// The keys for what CPUID and the VMX capabilities report, besides those that
// every machine file has to state.

#include "machine/file/machine_fields.h"

namespace xmmu {

std::vector<MachineField> RegisterFields(CpuFeatures& f) {
  return {{"pge", &f.pge, ""},
          {"smep", &f.smep, ""},
          {"smap", &f.smap, ""},
          {"pke", &f.pke, ""},
          {"pks", &f.pks, ""},
          {"umip", &f.umip, ""},
          {"fsgsbase", &f.fsgsbase, ""},
          {"xsave", &f.xsave, ""},
          {"cet", &f.cet, ""},
          {"smx", &f.smx, ""},
          {"tce", &f.tce, ""},
          {"lmsle", &f.lmsle, ""},
          {"ffxsr", &f.ffxsr, ""},
          {"mcommit", &f.mcommit, ""},
          {"intwb", &f.intwb, ""},
          {"auto_ibrs", &f.auto_ibrs, ""},
          {"walks_pdptes", &f.walks_pdptes, ""}};
}

std::vector<MachineField> EptFields(NestedPagingModel& nested) {
  return {{"execute_only", &nested.execute_only, ""},
          {"pages_2m", &nested.pages_2m, ""},
          {"pages_1g", &nested.pages_1g, ""},
          {"five_level", &nested.five_level, ""},
          {"mode_based_execute", &nested.mode_based_execute, ""}};
}

}  // namespace xmmu
