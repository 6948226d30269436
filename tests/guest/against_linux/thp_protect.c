// mprotect of a part of a large page splits it, of a whole one does not.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapLarge(2);
  Advise(pages, 2 * kLargePage, MADV_HUGEPAGE);
  Write(pages, 2 * 512);
  Mark("written");
  Must(Call(SYS_mprotect, pages, kLargePage, PROT_READ), "mprotect");
  Mark("whole");
  Must(Call(SYS_mprotect, pages, kLargePage, PROT_READ | PROT_WRITE),
       "mprotect");
  Write(pages, 512);
  Mark("and_back");
  Must(Call(SYS_mprotect, pages + kLargePage, 5 * kPage, PROT_READ),
       "mprotect");
  Mark("a_part");
  Read(pages + kLargePage, 512);
  Mark("read");
  Write(pages + kLargePage + 5 * kPage, 100);
  Mark("the_rest_written");
}
