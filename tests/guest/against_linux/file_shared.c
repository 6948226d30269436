// A shared mapping of a file.

#include "measure.h"

static void Run(void) {
  const int rights = PROT_READ | PROT_WRITE;
  const int fd = MakeFile("file_shared.data", 64);
  Begin(0);
  char* const pages = Map(64 * kPage, rights, MAP_SHARED, fd);
  Write(pages, 10);
  Mark("written");
  Read(pages + 32 * kPage, 32);
  Mark("read");
  Write(pages + 32 * kPage, 32);
  Mark("written_after_read");
  char* const again = Map(64 * kPage, PROT_READ, MAP_SHARED, fd);
  Read(again, 64);
  Mark("mapped_again");
}
