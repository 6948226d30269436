// mremap moves large pages whole to aligned places, and splits them else.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapLarge(2);
  char* const room = MapLarge(4);
  Advise(pages, 2 * kLargePage, MADV_HUGEPAGE);
  Write(pages, 2 * 512);
  Mark("written");
  Must(Call(SYS_mremap, pages, 2 * kLargePage, 2 * kLargePage,
            MREMAP_MAYMOVE | MREMAP_FIXED, room),
       "mremap");
  Mark("aligned");
  Write(room, 2 * 512);
  Mark("written_there");
  char* const target = room + 2 * kLargePage + 3 * kPage;
  Must(Call(SYS_mremap, room, kLargePage, kLargePage,
            MREMAP_MAYMOVE | MREMAP_FIXED, target),
       "mremap");
  Mark("unaligned");
  Write(target, 512);
  Mark("written_then");
}
