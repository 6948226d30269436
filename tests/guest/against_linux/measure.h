// What the programs of tests/guest/against_linux.sh are made of. Each of them
// does one thing to its memory, between two marks. At a mark it prints what
// Linux says of the process by then, or, run as `PROGRAM quiet`, nothing; the
// mark itself is an mmap without rights at an address of its own, which shows
// in a recording.
//
// The programs have no C library, so that nothing is touched but what they
// touch themselves. Measuring makes no faults: its memory has been written to
// before the first mark.

#ifndef XMMU_TESTS_GUEST_AGAINST_LINUX_MEASURE_H_
#define XMMU_TESTS_GUEST_AGAINST_LINUX_MEASURE_H_

#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum {
  kPage = 4096,
  kLargePage = 2 << 20,
  kMarksOfAProcess = 16,
};

// The replay knows them by these (replay.cc).
#define FIRST_MARK 0x700000000L
#define FIRST_MAPPING 0x600000000L

static long Call6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                     "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#define Call(number, ...) CALL_(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(number, a, b, c, d, e, f, ...)                           \
  Call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), \
        (long)(f))

// gcc may call these two.
void* memset(void* to, int value, unsigned long bytes) {
  for (volatile char* p = to; bytes > 0; --bytes) *p++ = (char)value;
  return to;
}
void* memcpy(void* to, const void* from, unsigned long bytes) {
  const char* q = from;
  for (volatile char* p = to; bytes > 0; --bytes) *p++ = *q++;
  return to;
}

static volatile char* stack_end;
static int quiet;    // whether nothing is measured
static int process;  // 0, or the number that a child gave itself
static int marks;    // of this process
static long sum;     // of what was read
static volatile long next_mapping = FIRST_MAPPING;

static char smaps[1 << 16];
static char output[1 << 13];
static long output_bytes;
static struct rusage usage;

static void Put(const char* text) {
  while (*text != 0) output[output_bytes++] = *text++;
}
static void PutNumber(long number) {
  char digits[24];
  int i = sizeof digits;
  digits[--i] = 0;
  do {
    digits[--i] = (char)('0' + number % 10);
  } while ((number /= 10) > 0);
  Put(digits + i);
  Put(" ");
}
static void Print(void) {
  Call(SYS_write, 1, output, output_bytes);
  output_bytes = 0;
}

static void Exit(int status) {
  if (!quiet) Print();
  Call(SYS_exit_group, status);
}

// Ends the program if `result` is an error, with what failed.
static long Must(long result, const char* what) {
  if (result >= 0 || result < -4095) return result;
  Put("failed: ");
  Put(what);
  Put(" with ");
  PutNumber(-result);
  Put("\n");
  quiet = 0;
  Exit(1);
  return 0;
}

static int Begins(const char* text, const char* with) {
  while (*with != 0) {
    if (*text++ != *with++) return 0;
  }
  return 1;
}
static const char* EndOfLine(const char* text) {
  while (*text != 0 && *text != '\n') ++text;
  return text;
}
static long NumberIn(const char* text) {
  long number = 0;
  while (*text != '\n' && (*text < '0' || *text > '9')) ++text;
  for (; *text >= '0' && *text <= '9'; ++text)
    number = number * 10 + *text - '0';
  return number;
}
// Whether a line of smaps that begins a mapping is of tmpfs: device 00:01 has
// all that has no path (mm/shmem.c, shm_mnt).
static int IsShmem(const char* line, const char* end) {
  int spaces = 0;
  for (; line < end; ++line) {
    if (*line == ' ' && ++spaces == 3 && Begins(line + 1, "00:01")) return 1;
    if (*line == '/') return Begins(line, "/dev/shm/");
  }
  return 0;
}

static void ReadSmaps(void) {
  const int fd =
      (int)Must(Call(SYS_open, "/proc/self/smaps", O_RDONLY), "smaps");
  long size = 0, got;
  while ((got = Call(SYS_read, fd, smaps + size, sizeof smaps - 1 - size)) >
         0) {
    size += got;
  }
  smaps[size] = 0;
  Call(SYS_close, fd);
}

// Prints minor faults, and pages of 4 KiB that are anonymous, of files, of
// tmpfs, anonymous in large pages, and hugetlb's.
static void Measure(const char* name) {
  Must(Call(SYS_getrusage, RUSAGE_SELF, &usage), "getrusage");
  ReadSmaps();
  long anonymous = 0, file = 0, shmem = 0, huge = 0, hugetlb = 0, of_vma = 0;
  int is_shmem = 0;
  for (const char* line = smaps; *line != 0;) {
    const char* const end = EndOfLine(line);
    const int header = *line < 'A' || *line > 'Z';
    if (header) is_shmem = IsShmem(line, end);
    if (Begins(line, "Rss:")) of_vma = NumberIn(line);
    if (Begins(line, "Anonymous:")) {
      anonymous += NumberIn(line);
      *(is_shmem ? &shmem : &file) += of_vma - NumberIn(line);
    }
    if (Begins(line, "AnonHugePages:")) huge += NumberIn(line);
    if (Begins(line, "Shared_Hugetlb:") || Begins(line, "Private_Hugetlb:")) {
      hugetlb += NumberIn(line);
    }
    line = *end == 0 ? end : end + 1;
  }
  PutNumber(process);
  PutNumber(marks);
  Put(name);
  Put(" ");
  PutNumber(usage.ru_minflt);
  PutNumber(anonymous / 4);
  PutNumber(file / 4);
  PutNumber(shmem / 4);
  PutNumber(huge / 4);
  PutNumber(hugetlb / 4);
  Put("\n");
}

// Marks the end of the part `name`, whose figures are those since the mark
// before.
static void Mark(const char* name) {
  const long page = process * kMarksOfAProcess + marks;
  Must(Call(SYS_mmap, FIRST_MARK + page * kPage, kPage, PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
       "the mark");
  if (!quiet) Measure(name);
  ++marks;
}

static void Write(volatile char* at, long pages) {
  for (long i = 0; i < pages; ++i) at[i * kPage] = 1;
}
// What is read is used: Valgrind leaves out a load that nobody needs.
static void Read(volatile char* at, long pages) {
  for (long i = 0; i < pages; ++i) sum += at[i * kPage];
}

// Writes to each page what is there.
static void Touch(volatile char* at, long bytes) {
  for (long i = 0; i < bytes; i += kPage) at[i] = at[i];
  at[bytes - 1] = at[bytes - 1];
}

__attribute__((noinline)) static void TouchStack(void) {
  volatile char below[8 * kPage];
  Write(below, 8);
  Touch(below, stack_end - below);
}

// Touches what measuring needs, all of the stack and 8 pages more, so that
// later marks make no faults. Each process begins so.
static void Begin(int number) {
  TouchStack();
  Touch(smaps, sizeof smaps);
  Touch(output, sizeof output);
  next_mapping += 0;
  process = number;
  marks = 0;
  usage.ru_minflt = 0;
  sum = 0;
  const long kept = output_bytes;
  if (!quiet) Measure("before");
  output_bytes = kept;
  Mark("begin");
}

// Maps where each run and recording does: aligned to 2 MiB, with nothing mapped
// beside it.
static char* Map(long bytes, int rights, int flags, int fd) {
  const long at = next_mapping;
  next_mapping += ((bytes - 1) / kLargePage + 2) * kLargePage;
  return (char*)Must(
      Call(SYS_mmap, at, bytes, rights, flags | MAP_FIXED, fd, 0), "mmap");
}
static char* MapPrivate(long pages) {
  return Map(pages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
             -1);
}
static char* MapLarge(long pages) {
  return MapPrivate(pages * (kLargePage / kPage));
}
static void Advise(char* at, long bytes, int advice) {
  Must(Call(SYS_madvise, at, bytes, advice), "madvise");
}

// Makes a file of `pages` pages in the directory at hand, and opens it.
static int MakeFile(const char* name, long pages) {
  const int fd = (int)Must(
      Call(SYS_open, name, O_RDWR | O_CREAT | O_TRUNC, 0600), "the file");
  for (long i = 0; i < pages; ++i) {
    Must(Call(SYS_write, fd, smaps, kPage), "write");
  }
  return fd;
}

// A child prints its own figures alone.
static long Fork(void) {
  const long child = Must(Call(SYS_fork, 0), "fork");
  if (child == 0) output_bytes = 0;
  return child;
}
static void WaitFor(long child) {
  Must(Call(SYS_wait4, child, 0, 0, 0), "wait4");
}

static void Run(void);

__attribute__((used)) static void Start(long* stack) {
  stack_end = (volatile char*)(stack + 1);
  quiet = stack[0] > 1;
  Run();
  Exit(0);
}
__asm__(
    ".globl _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call Start\n");

#endif  // XMMU_TESTS_GUEST_AGAINST_LINUX_MEASURE_H_
