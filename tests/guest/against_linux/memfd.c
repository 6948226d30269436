// A memfd's pages are in memory once for all its mappings.

#include "measure.h"

static void Run(void) {
  const int rights = PROT_READ | PROT_WRITE;
  Begin(0);
  const int fd = (int)Must(Call(SYS_memfd_create, "m", 0), "memfd_create");
  Must(Call(SYS_ftruncate, fd, 40 * kPage), "ftruncate");
  char* const shared = Map(40 * kPage, rights, MAP_SHARED, fd);
  Write(shared, 25);
  Mark("written");
  char* const again = Map(40 * kPage, rights, MAP_SHARED, fd);
  Read(again, 1);
  Mark("mapped_again");
  Write(again, 40);
  Mark("all_written");
  char* const copy = Map(40 * kPage, rights, MAP_PRIVATE, fd);
  Write(copy, 10);
  Mark("private_written");
  Read(copy, 40);
  Mark("private_read");
}
