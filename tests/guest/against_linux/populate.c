// MAP_POPULATE makes pages at once, as many as the mapping has; without the
// right to write they are zero pages.

#include "measure.h"

static void Run(void) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
  Begin(0);
  char* const pages = Map(64 * kPage, PROT_READ | PROT_WRITE, flags, -1);
  Mark("populated");
  Write(pages, 64);
  Mark("written");
  char* const zeros = Map(32 * kPage, PROT_READ, flags, -1);
  Mark("read_only");
  Read(zeros, 32);
  Mark("read");
  char* const later = MapPrivate(48);
  Advise(later, 24 * kPage, MADV_POPULATE_WRITE);
  Mark("populate_write");
  Advise(later, 48 * kPage, MADV_POPULATE_READ);
  Mark("populate_read");
  Write(later, 48);
  Mark("all_written");
}
