// A write to memory that has been advised is one fault for 2 MiB.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapLarge(3);
  Advise(pages, 3 * kLargePage, MADV_HUGEPAGE);
  Mark("advised");
  Write(pages, 1);
  Mark("first");
  Write(pages, 512);
  Mark("all_of_it");
  Write(pages + kLargePage, 1024);
  Mark("two_more");
  Must(Call(SYS_munmap, pages, 3 * kLargePage), "munmap");
  Mark("unmapped");
  char* const plain = MapLarge(1);
  Advise(plain, kLargePage, MADV_NOHUGEPAGE);
  Write(plain, 10);
  Mark("advised_against");
  // What is not a whole aligned 2 MiB has none.
  char* const small = MapLarge(1);
  Must(Call(SYS_munmap, small + kLargePage - kPage, kPage), "munmap");
  Advise(small, kLargePage - kPage, MADV_HUGEPAGE);
  Write(small, 20);
  Mark("too_short");
}
