// What direct paging owes the log of a domain's dirty pages.

#include "pv_context.h"
#include "xen/direct/pv_log_dirty.h"

namespace xmmu {

void PvContext::NoteStore(MachineAddr entry, Pte value) {
  MarkDirty(cpu_, domain_, FrameOf(entry));
  if (walks_shadows()) domain_.pv_log_dirty()->EntryWritten(cpu_, entry, value);
}

void PvContext::NotePinChange(Mfn table) {
  if (rules_.pins_mark) MarkDirty(cpu_, domain_, table);
}

void PvContext::ForgetTable(Mfn table) {
  if (!walks_shadows() || !domain_.pv_log_dirty()->TableGone(table)) return;
  // Xen 4.17, sh_remove_shadows; 3.0.0 owes a flush for every table anyhow.
  if (!rules_.flush_on_teardown) FlushNow(domain_.dirty_cpus(), FullFlush());
}

Mfn PvContext::LoadedFor(Mfn root) {
  if (!walks_shadows()) return root;
  return domain_.pv_log_dirty()->LoadedFor(cpu_, vcpu_, root);
}

}  // namespace xmmu
