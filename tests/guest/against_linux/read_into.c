// read(2), readv(2) and pread64(2) write to fresh memory: a fault a page.

#include <linux/uio.h>

#include "measure.h"

static void Run(void) {
  const int fd = MakeFile("read_into.data", 24);
  char* const pages = MapPrivate(80);
  struct iovec parts[2] = {{pages + 30 * kPage, 6 * kPage},
                           {pages + 40 * kPage + 100, 3 * kPage}};
  Begin(0);
  Must(Call(SYS_lseek, fd, 0, 0), "lseek");
  Must(Call(SYS_read, fd, pages, 20 * kPage), "read");
  Mark("read");
  Must(Call(SYS_pread64, fd, pages + 10 * kPage, 24 * kPage, 0), "pread64");
  Mark("pread");
  Must(Call(SYS_lseek, fd, 0, 0), "lseek");
  Must(Call(SYS_readv, fd, parts, 2), "readv");
  Mark("readv");
  // Less is read than there is room for.
  Must(Call(SYS_pread64, fd, pages + 50 * kPage, 20 * kPage, 22 * kPage),
       "pread64");
  Mark("short_read");
  // A page that has been read is a zero page, of which a copy is made.
  Read(pages + 70 * kPage, 5);
  Mark("zero_pages");
  Must(Call(SYS_pread64, fd, pages + 70 * kPage, 5 * kPage, 0), "pread64");
  Mark("written_by_read");
}
