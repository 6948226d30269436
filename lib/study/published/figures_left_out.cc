#include "study/published/figures.h"

namespace xmmu {
namespace {

struct LeftOut {
  const char* name;
  const char* unit;
  double theirs;
  const char* why;
};

constexpr LeftOut kLeftOut[] = {
    {"no lock for entries", "%", 5,
     "kernel build without the domain's lock (Xen 95f9581198, 2008): nobody "
     "waits for locks here"},
    {"PIC in the hypervisor", "%", 14,
     "kernel build (Xen 3f450621b6): there are no devices"},
    {"walks checked again", "%", 3.7,
     "of guest walks without a lock (Xen 948397ecb8, 2008): the tables do not "
     "change under a walk here"},
    {"32-on-64 null call", "us", 0.55,
     "lmbench, by a ring-0 handler; 0.87 by #GP, 0.33 direct (Xen 3e1b9525de, "
     "2007): there is no 32-bit guest of a 64-bit Xen here, and the machine is "
     "not named"},
    {"flush of 32 vCPUs", "us", 112,
     "with a virtual x2APIC, 8.3 by hypercall (Xen 17b997aa1e, 2020): a "
     "virtual APIC is no part of the model, and guests have no threads"},
    {"null hypercall: RSB", "%", -13.9,
     "less without the RSB overwritten (Xen afab477fba, 2021): mitigations of "
     "speculation are left out"},
    {"set_memory_wc", "us", 47,
     "from 4097 with WBINVD (Xen dff593c7b6, 2016): caches are flushed by "
     "nothing here"},
    {"highmem page cleared", "%", 20,
     "gained by a hypercall (Xen 043e01a4f8, 2008): guests have no high "
     "memory"},
    {"writes of A and D only", "%", 95,
     "of those to tables, Windows 10 under introspection (Xen 3e828f882a): a "
     "figure of that guest, not of a strategy"},
    {"memory dirtied again", "%", 47.5,
     "more slowly under KVM's log without its fast page fault (kvm list, "
     "2012): KVM's; what logging costs Xen's strategies is in xmmu compare "
     "--migrate"},
    {"frames of one mapping", "%", 97.9,
     "of those that are mapped at all in a 6 GiB guest (KVM dc1cff9691, 2021): "
     "a figure of what that guest ran"},
    {"page shared by content", "us", 6.2,
     "Difference Engine, OSDI 2008 (remembered): its own hypervisor, with a "
     "scan; make_ro_and_share is asked by the guest"},
};

}  // namespace

void AddFiguresLeftOut(PublishedTable& table) {
  for (const LeftOut& figure : kLeftOut) {
    table.rows.push_back(
        {figure.name, figure.unit, {{figure.theirs, {}}}, false, figure.why});
  }
}

}  // namespace xmmu
