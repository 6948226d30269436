// Children of all kinds, and an exec in the midst of threads.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_of(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) exit(1);
  return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void* spin(void* unused) {
  (void)unused;
  for (volatile long i = 0;; ++i) {
  }
  return NULL;
}

int main(void) {
  pid_t child = fork();
  if (child == 0) _exit(3);
  printf("fork %d,\n", status_of(child));

  child = vfork();
  if (child == 0) {
    execl("/no/such/program", "program", (char*)NULL);
    _exit(7);
  }
  printf("vfork %d", status_of(child));
  child = vfork();
  if (child == 0) {
    execl("/bin/true", "true", (char*)NULL);
    _exit(1);
  }
  printf(" %d,\n", status_of(child));

  child = fork();
  if (child == 0) {
    for (int i = 0; i < 1024; ++i) close(i);
    _exit(4);
  }
  printf("closed %d,\n", status_of(child));

  child = fork();
  if (child == 0) spin(NULL);
  usleep(100000);
  kill(child, SIGKILL);
  printf("killed %d,\n", status_of(child));
  fflush(stdout);

  pthread_t thread;
  for (int i = 0; i < 3; ++i) pthread_create(&thread, NULL, spin, NULL);
  execl("/bin/sh", "sh", "-c", "echo in the midst", (char*)NULL);
  return 1;
}
