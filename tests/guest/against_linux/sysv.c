// A System V segment, attached twice, and gone after its last detach.

#include <linux/ipc.h>

#include "measure.h"

static void Run(void) {
  Begin(0);
  const long id = Must(
      Call(SYS_shmget, IPC_PRIVATE, 30 * kPage, IPC_CREAT | 0600), "shmget");
  char* const pages = (char*)Must(Call(SYS_shmat, id, 0, 0), "shmat");
  Must(Call(SYS_shmctl, id, IPC_RMID, 0), "shmctl");
  Write(pages, 20);
  Mark("written");
  Must(Call(SYS_shmdt, pages), "shmdt");
  Mark("detached");
}
