// A read of advised memory maps the huge zero page; a write to it follows.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapLarge(2);
  Advise(pages, 2 * kLargePage, MADV_HUGEPAGE);
  Read(pages, 1);
  Mark("read");
  Read(pages, 512);
  Mark("all_read");
  Write(pages, 1);
  Mark("one_written");
  Write(pages, 16);
  Mark("more_written");
}
