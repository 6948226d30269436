// write(2) and writev(2) read from fresh memory: zero pages.

#include <linux/uio.h>

#include "measure.h"

static void Run(void) {
  const int fd = MakeFile("write_from.data", 1);
  char* const pages = MapPrivate(60);
  struct iovec parts[2] = {{pages + 30 * kPage, 6 * kPage},
                           {pages + 40 * kPage + 100, 3 * kPage}};
  Begin(0);
  Must(Call(SYS_write, fd, pages, 20 * kPage), "write");
  Mark("write");
  Must(Call(SYS_pwrite64, fd, pages + 10 * kPage, 15 * kPage, 0), "pwrite64");
  Mark("pwrite");
  Must(Call(SYS_writev, fd, parts, 2), "writev");
  Mark("writev");
  Write(pages, 60);
  Mark("written");
}
