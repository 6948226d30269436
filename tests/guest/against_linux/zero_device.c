// /dev/zero: private as anonymous memory, shared as an object of its own.

#include "measure.h"

static void Run(void) {
  const int rights = PROT_READ | PROT_WRITE;
  Begin(0);
  const int fd = (int)Must(Call(SYS_open, "/dev/zero", O_RDWR), "/dev/zero");
  char* const own = Map(30 * kPage, rights, MAP_PRIVATE, fd);
  Read(own, 30);
  Mark("private_read");
  Write(own, 20);
  Mark("private_written");
  char* const shared = Map(30 * kPage, rights, MAP_SHARED, fd);
  Write(shared, 20);
  Mark("shared_written");
  char* const other = Map(30 * kPage, rights, MAP_SHARED, fd);
  Read(other, 10);
  Mark("another_object");
}
