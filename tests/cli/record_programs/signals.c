// Handles 1000 signals that it sends itself, and a fault whose handler maps what
// was missing.
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile int handled;
static volatile int repaired;
static char* page;

static void on_signal(int signal) {
  (void)signal;
  ++handled;
}

static void on_fault(int signal) {
  (void)signal;
  repaired = mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0;
}

int main(void) {
  signal(SIGUSR1, on_signal);
  signal(SIGSEGV, on_fault);
  for (int i = 0; i < 1000; ++i) kill(getpid(), SIGUSR1);
  page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *(volatile char*)page = 1;
  printf("%d handled, fault %shandled\n", handled, repaired ? "" : "not ");
  return 0;
}
