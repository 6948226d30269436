// A private mapping of a file: 16 pages a read fault, a copy for each write.

#include "measure.h"

static void Run(void) {
  const int rights = PROT_READ | PROT_WRITE;
  const int fd = MakeFile("file_private.data", 64);
  Begin(0);
  char* const pages = Map(64 * kPage, rights, MAP_PRIVATE, fd);
  Read(pages, 1);
  Mark("one_read");
  Read(pages, 40);
  Mark("more_read");
  Write(pages, 20);
  Mark("written");
  Write(pages + 50 * kPage, 14);
  Mark("written_first");
  char* const populated =
      Map(64 * kPage, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd);
  Mark("populated");
  Read(populated, 64);
  Mark("read");
  Advise(pages, 64 * kPage, MADV_DONTNEED);
  Mark("discarded");
  Read(pages, 64);
  Mark("read_again");
}
