// mlock, MAP_LOCKED and mlockall make pages at once, MCL_ONFAULT does not.

#include <sys/mman.h>

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapPrivate(40);
  Must(Call(SYS_mlock, pages, 30 * kPage), "mlock");
  Mark("mlock");
  Write(pages, 40);
  Mark("written");
  char* const locked = Map(20 * kPage, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1);
  Mark("map_locked");
  Must(Call(SYS_munlock, locked, 20 * kPage), "munlock");
  Mark("munlock");
  Must(Call(SYS_madvise, locked, 20 * kPage, MADV_DONTNEED), "madvise");
  Mark("discarded");
  Must(Call(SYS_mlockall, MCL_FUTURE | MCL_ONFAULT), "mlockall");
  char* const on_fault = MapPrivate(16);
  Must(Call(SYS_munlockall, 0), "munlockall");
  Mark("on_fault");
  Write(on_fault, 9);
  Mark("faulted");
  Must(Call(SYS_mlockall, MCL_FUTURE), "mlockall");
  MapPrivate(11);
  Must(Call(SYS_munlockall, 0), "munlockall");
  Mark("in_future");
}
