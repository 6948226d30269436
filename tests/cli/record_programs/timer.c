// Counts until a timer has sent thirty signals, which come between instructions.
#include <signal.h>
#include <sys/time.h>

static volatile long handled;

static void on_signal(int signal) {
  (void)signal;
  ++handled;
}

int main(void) {
  const struct itimerval period = {{0, 2000}, {0, 2000}};
  volatile long counted = 0;
  signal(SIGALRM, on_signal);
  setitimer(ITIMER_REAL, &period, 0);
  while (handled < 30) ++counted;
  return 0;
}
