// MAP_HUGETLB: pages of 2 MiB, shared by forks and copied whole.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = Map(3 * kLargePage, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
  Mark("mapped");
  Write(pages, 512);
  Mark("one_written");
  Read(pages + kLargePage, 512);
  Mark("one_read");
  Write(pages + kLargePage, 512);
  Mark("written_after_read");
  const long child = Fork();
  if (child == 0) {
    Begin(1);
    Write(pages, 1);
    Mark("child_writes");
    Exit(0);
  }
  WaitFor(child);
  Begin(2);
  Write(pages, 1024);
  Mark("parent_writes");
}
