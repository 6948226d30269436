// mremap takes pages along; what is behind them comes by faults.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapPrivate(40);
  Must(Call(SYS_munmap, pages + 20 * kPage, 20 * kPage), "munmap");
  Write(pages, 20);
  Mark("written");
  Must(Call(SYS_mremap, pages, 20 * kPage, 30 * kPage, 0), "mremap");
  Mark("grown");
  Write(pages, 30);
  Mark("written_behind");
  char* const moved = (char*)Must(
      Call(SYS_mremap, pages, 30 * kPage, 1000 * kPage, MREMAP_MAYMOVE),
      "mremap");
  Mark("moved");
  Write(moved, 40);
  Mark("written_there");
  Must(Call(SYS_mremap, moved, 1000 * kPage, 5 * kPage, 0), "mremap");
  Mark("shrunk");
}
