// A child lacks what was advised MADV_DONTFORK, and finds zeros in what was
// advised MADV_WIPEONFORK.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const stays = MapPrivate(20);
  char* const wiped = MapPrivate(512) + 100 * kPage;
  Write(stays, 20);
  Write(wiped, 30);
  Must(Call(SYS_madvise, stays, 20 * kPage, MADV_DONTFORK), "madvise");
  Advise(wiped, 30 * kPage, MADV_WIPEONFORK);
  Mark("written");
  const long child = Fork();
  if (child == 0) {
    Begin(1);
    Read(wiped, 30);
    Mark("child_reads");
    Write(wiped, 30);
    Mark("child_writes");
    Exit(0);
  }
  WaitFor(child);
  Begin(2);
  Write(wiped, 30);
  Write(stays, 20);
  Mark("parent_writes");
}
