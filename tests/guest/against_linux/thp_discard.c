// MADV_DONTNEED of a part of a large page splits it; what comes again is small.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapLarge(2);
  Advise(pages, 2 * kLargePage, MADV_HUGEPAGE);
  Write(pages, 2 * 512);
  Mark("written");
  Advise(pages + 10 * kPage, 50 * kPage, MADV_DONTNEED);
  Mark("a_part");
  Write(pages, 512);
  Mark("written_again");
  Advise(pages + kLargePage, kLargePage, MADV_DONTNEED);
  Mark("whole");
  Write(pages + kLargePage, 1);
  Mark("large_again");
}
