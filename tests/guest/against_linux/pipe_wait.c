// Results in fresh memory: of pipe2, of a read from a pipe, of wait4, stat and
// getrusage.

#include <sys/stat.h>

#include "measure.h"

static void Run(void) {
  char* const pages = MapPrivate(64);
  Begin(0);
  int* const ends = (int*)pages;
  Must(Call(SYS_pipe2, ends, 0), "pipe2");
  Mark("pipe2");
  const long child = Fork();
  if (child == 0) {
    Begin(1);
    Must(Call(SYS_write, ends[1], pages + 4 * kPage, 2 * kPage), "write");
    Mark("child_writes");
    Exit(3);
  }
  Begin(2);
  Must(Call(SYS_read, ends[0], pages + 8 * kPage, 2 * kPage), "read");
  Mark("read");
  Must(Call(SYS_wait4, child, pages + 16 * kPage, 0, pages + 20 * kPage),
       "wait4");
  Mark("wait4");
  Must(Call(SYS_stat, "/", pages + 24 * kPage), "stat");
  Mark("stat");
  Must(Call(SYS_getrusage, RUSAGE_CHILDREN, pages + 28 * kPage), "getrusage");
  Mark("getrusage");
  Must(Call(SYS_uname, pages + 32 * kPage), "uname");
  Mark("uname");
}
