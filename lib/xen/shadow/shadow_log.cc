// Log-dirty mode of shadows: how every page that can be written to becomes
// read-only when logging begins and after each round.

#include "xmmu/xen/shadow/shadow_paging.h"

namespace xmmu {

absl::Status ShadowPaging::EnableLogging(Cpu& cpu) {
  RevokeWrites(cpu, nullptr);
  FlushOwed(cpu);
  return absl::OkStatus();
}

void ShadowPaging::CleanLog(Cpu& cpu, const DirtyBitmap& marked) {
  RevokeWrites(cpu, &marked);
  FlushOwed(cpu);
}

void ShadowPaging::RevokeWrites(Cpu& cpu, const DirtyBitmap*) {
  DropShadows(cpu);
}

void ShadowPaging::DropShadows(Cpu& cpu) {
  const Span span = XenSpan(cpu, &ShadowWords::drop_all);
  for (ShadowId id = 0; id < pages_.made(); ++id) {
    if (pages_[id].in_use && pages_[id].pins == 0) ShadowGoes(cpu, id);
  }
  for (ShadowId id = 0; id < pages_.made(); ++id) {
    if (!pages_[id].in_use) continue;
    Charge(cpu, CostEvent::kXenPteRead,
           static_cast<uint64_t>(shape_.entries()));
    for (int i = 0; i < shape_.entries(); ++i) Clear(cpu, {id, i});
  }
  if (shape_.own_l3()) {
    for (uint32_t i = 0; i < roots_.size(); ++i) {
      for (int j = 0; j < 4; ++j) SetTop(domain_.vcpu(i), j, kNoShadow);
    }
  }
  for (ShadowId id = 0; id < pages_.made(); ++id) {
    if (pages_[id].in_use && pages_[id].refs == 0) pages_.Release(id);
  }
  NoteInUse(cpu);
  Owe(domain_.dirty_cpus());
}

void ShadowPaging::ProtectAll(Cpu& cpu) {
  const Span span = XenSpan(cpu, "write access of all shadows");
  for (ShadowId id = 0; id < pages_.made(); ++id) {
    if (!pages_[id].in_use || pages_[id].key.level > 2) continue;
    Charge(cpu, CostEvent::kXenPteRead,
           static_cast<uint64_t>(shape_.entries()));
    for (int i = 0; i < shape_.entries(); ++i) {
      const ShadowSlot slot{id, i};
      const Pte entry = pages_.Read(slot);
      if (!entry.present() || IsLink(slot, entry) || IsMark(entry)) continue;
      if (pages_[id].key.level > 1) {
        Clear(cpu, slot);
      } else if (entry.writable()) {
        SetEntry(cpu, slot, entry.Without(pte::kWritable));
      }
    }
  }
  Owe(domain_.dirty_cpus());
}

}  // namespace xmmu
