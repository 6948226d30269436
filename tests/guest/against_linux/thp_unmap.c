// munmap of a part of a large page splits it.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapLarge(3);
  Advise(pages, 3 * kLargePage, MADV_HUGEPAGE);
  Write(pages, 3 * 512);
  Mark("written");
  Must(Call(SYS_munmap, pages + 100 * kPage, 28 * kPage), "munmap");
  Mark("a_hole");
  Must(Call(SYS_munmap, pages + kLargePage, kLargePage), "munmap");
  Mark("a_whole_one");
  Write(pages, 100);
  Write(pages + 2 * kLargePage, 512);
  Mark("the_rest_is_there");
}
