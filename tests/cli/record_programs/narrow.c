// A 32-bit program: says how wide a pointer is, and execs a 64-bit one on
// request.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
  char* const memory = malloc(1 << 20);
  memset(memory, 1, 1 << 20);
  printf("%zu bytes\n", sizeof(memory));
  fflush(stdout);
  free(memory);
  if (argc > 1) {
    (void)argv;
    execlp("sh", "sh", "-c", "echo 8 bytes", (char*)NULL);
  }
  return 0;
}
