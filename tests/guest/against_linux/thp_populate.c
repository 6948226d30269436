// MADV_POPULATE_WRITE and mlock make large pages where they are advised.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapLarge(2);
  Advise(pages, 2 * kLargePage, MADV_HUGEPAGE);
  Advise(pages, kLargePage, MADV_POPULATE_WRITE);
  Mark("populated");
  Must(Call(SYS_mlock, pages + kLargePage, kLargePage), "mlock");
  Mark("locked");
  Write(pages, 2 * 512);
  Mark("written");
}
