// Writable page tables of the first generation: an open table is a page like
// any other, and becomes a table again by a full validation (Xen of July 2004,
// 5ecc8cea0e, xen/arch/x86/memory.c). The ordinary operations of direct paging
// do all of it: mod_l2_entry, put_page_type, get_page_type, whose flush for the
// change of type keeps TLBs true both ways.
//
// A table of another address space stays hooked there, without references to
// its type. That a pin is taken off and put back, and all references to the
// type are dropped where there are several, is assumed.

#include <string>

#include "absl/strings/str_cat.h"
#include "xen/direct/writable_tables.h"
#include "xmmu/base/check.h"

namespace xmmu {

void WritableTables::DropTypeFor(PtwrInfo& open, bool active) {
  PageInfo& page = Page(open.table);
  open.pinned = page.pinned;
  open.l2_slot = page.l2_slot;
  open.hooked_in = page.hooked_in;
  if (active) {
    const Pte unhooked = Load(open.l2_entry).Without(pte::kPresent);
    XMMU_CHECK(types_.ModUpperEntry(open.l2_entry, unhooked, 2, false) ==
               XenErrno::kOk);
  }
  if (open.pinned) {
    page.pinned = false;
    types_.PutPageAndType(open.table);
  }
  open.hooks = page.type_count;
  while (page.type_count > 0) types_.PutPageType(open.table);
  XMMU_CHECK(types_.GetPageType(open.table, {PageType::kWritable}) ==
             XenErrno::kOk);
  // GetPageType() has flushed every CPU of the domain, so the flush owed for
  // the torn-down table is paid.
  request_.pending.Consume();
}

void WritableTables::RetakeTypeFor(const PtwrInfo& open, bool active) {
  if (TryRetakeType(open, active) != XenErrno::kOk) {
    // The old contents are gone. The domain is crashed, so give it an empty
    // table, which is always valid.
    domain_.Crash(absl::StrCat("writable page tables: the L1 in frame ",
                               open.table.value(),
                               " is refused: ", std::string(request_.why)));
    Charge(CostEvent::kZeroPage);
    host_.memory().ZeroFrame(open.table);
    XMMU_CHECK(TryRetakeType(open, active) == XenErrno::kOk);
  }
  PageInfo& page = Page(open.table);
  page.l2_slot = open.l2_slot;
  page.hooked_in = open.hooked_in;
}

// After an error no reference is held: only the first one can be refused.
XenErrno WritableTables::TryRetakeType(const PtwrInfo& open, bool active) {
  bool is_table = false;
  if (active) {
    const Pte hooked = Load(open.l2_entry).With(pte::kPresent);
    const XenErrno error =
        types_.ModUpperEntry(open.l2_entry, hooked, 2, false);
    if (error != XenErrno::kOk) return error;
    is_table = true;
  }
  for (uint64_t i = 0; i < open.hooks; ++i) {
    const XenErrno error = types_.GetPageType(open.table, {PageType::kL1});
    if (error != XenErrno::kOk) return error;
    is_table = true;
  }
  if (!open.pinned) return XenErrno::kOk;
  if (!is_table) {
    const XenErrno error = types_.GetPageAndType(open.table, {PageType::kL1});
    if (error != XenErrno::kOk) return error;
  } else {
    XMMU_CHECK(types_.GetPageAndType(open.table, {PageType::kL1}) ==
               XenErrno::kOk);
  }
  Page(open.table).pinned = true;
  return XenErrno::kOk;
}

}  // namespace xmmu
