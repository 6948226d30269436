// mprotect to read-only and back: 4 KiB pages that are one process's alone can
// be written to at once.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapPrivate(50);
  Write(pages, 30);
  Mark("written");
  Must(Call(SYS_mprotect, pages, 50 * kPage, PROT_READ), "mprotect");
  Read(pages, 50);
  Mark("read_only");
  Must(Call(SYS_mprotect, pages, 50 * kPage, PROT_READ | PROT_WRITE),
       "mprotect");
  Write(pages, 50);
  Mark("and_back");
}
