// Eight threads map, fill and unmap memory at once; then a child is forked while
// another thread is at work, and the process exits while that still runs.
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void* work(void* unused) {
  (void)unused;
  for (int round = 0; round < 20; ++round) {
    char* const memory = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) exit(1);
    for (int i = 0; i < 1 << 16; i += 512) memory[i] = 1;
    munmap(memory, 1 << 16);
  }
  return NULL;
}

static void* work_on(void* unused) {
  for (;;) work(unused);
}

int main(void) {
  pthread_t thread[8];
  for (int i = 0; i < 8; ++i) pthread_create(&thread[i], NULL, work, NULL);
  for (int i = 0; i < 8; ++i) pthread_join(thread[i], NULL);
  pthread_create(&thread[0], NULL, work_on, NULL);
  const pid_t child = fork();
  if (child == 0) {
    work(NULL);
    _exit(5);
  }
  int status;
  if (waitpid(child, &status, 0) != child) return 1;
  _exit(WEXITSTATUS(status));
}
