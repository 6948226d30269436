// MADV_DONTNEED drops pages, over a hole too; MADV_FREE keeps them for now.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapPrivate(64);
  Write(pages, 64);
  Mark("written");
  Advise(pages + 10 * kPage, 20 * kPage, MADV_DONTNEED);
  Mark("discarded");
  Write(pages, 64);
  Mark("written_again");
  Must(Call(SYS_munmap, pages + 30 * kPage, kPage), "munmap");
  Mark("a_hole");
  // ENOMEM, but both sides of the hole are discarded.
  Call(SYS_madvise, pages + 20 * kPage, 20 * kPage, MADV_DONTNEED);
  Mark("over_a_hole");
  Advise(pages, 10 * kPage, MADV_FREE);
  Mark("freed");
  Write(pages, 10);
  Mark("written_after_that");
}
