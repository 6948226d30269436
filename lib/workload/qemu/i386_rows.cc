// The system calls of 32-bit programs whose arguments point to memory, or that
// change it.
//
// Source: Linux 6.1, arch/x86/entry/syscalls/syscall_32.tbl for the numbers; the
// structures are those of include/uapi as an i386 compiler lays them out, and of
// include/linux/compat.h.

#include "workload/qemu/i386_rows.h"

#include <algorithm>
#include <iterator>

#include "workload/process/call_row.h"

namespace xmmu {
namespace i386_row {

using namespace call_row;  // NOLINT: a table is written with its words

constexpr uint16_t kNone = static_cast<uint16_t>(kNoCall);

constexpr Length kShortTime = Bytes(8);  // timespec, timeval, rlimit, utimbuf
constexpr Length kShortRusage = Bytes(72);
constexpr Length kShortMessage = Bytes(28);  // msghdr
constexpr Length kWideStat = Bytes(96);      // stat64
constexpr Length kLock = Bytes(24);          // flock64

// Calls with the memory of x86-64's: their number, and that on x86-64.
constexpr struct {
  uint16_t number;
  uint16_t becomes;
} kSame[] = {
    {1, 60},    {2, 57},    {3, 0},     {4, 1},     {5, 2},     {6, 3},
    {8, 85},    {9, 86},    {10, 87},   {12, 80},   {14, 133},  {15, 90},
    {16, 94},   {21, 165},  {29, 34},   {33, 21},   {37, 62},   {38, 82},
    {39, 83},   {40, 84},   {41, 32},   {42, 22},   {45, 12},   {52, 166},
    {54, 16},   {61, 161},  {63, 33},   {72, 34},   {74, 170},  {83, 88},
    {85, 89},   {90, 9},    {91, 11},   {92, 76},   {120, 56},  {122, 63},
    {125, 10},  {133, 81},  {141, 78},  {143, 73},  {150, 149}, {151, 150},
    {152, 151}, {153, 152}, {154, 142}, {155, 143}, {156, 144}, {158, 24},
    {163, 25},  {168, 7},   {172, 157}, {175, 14},  {176, 127}, {178, 129},
    {179, 130}, {180, 17},  {181, 18},  {182, 92},  {183, 79},  {184, 125},
    {185, 126}, {190, 58},  {192, 9},   {193, 76},  {198, 94},  {205, 115},
    {206, 116}, {209, 118}, {211, 120}, {212, 92},  {218, 27},  {219, 28},
    {220, 217}, {226, 188}, {227, 189}, {228, 190}, {229, 191}, {230, 192},
    {231, 193}, {232, 194}, {233, 195}, {234, 196}, {235, 197}, {236, 198},
    {237, 199}, {238, 200}, {239, 40},  {241, 203}, {242, 204}, {252, 231},
    {255, 233}, {256, 232}, {258, 218}, {259, 222}, {270, 234}, {278, 241},
    {292, 254}, {295, 257}, {296, 258}, {297, 259}, {298, 260}, {301, 263},
    {302, 264}, {303, 265}, {304, 266}, {305, 267}, {306, 268}, {307, 269},
    {311, 273}, {313, 275}, {318, 309}, {319, 281}, {327, 289}, {330, 292},
    {331, 293}, {340, 302}, {351, 314}, {352, 315}, {353, 316}, {355, 318},
    {356, 319}, {360, 53},  {361, 49},  {362, 42},  {364, 288}, {365, 55},
    {366, 54},  {367, 51},  {368, 52},  {369, 44},  {371, 45},  {376, 325},
    {377, 326}, {380, 329}, {383, 332}, {395, 29},  {397, 30},  {398, 67},
    {403, 228}, {404, 227}, {406, 229}, {407, 230}, {408, 224}, {409, 223},
    {410, 287}, {411, 286}, {412, 280}, {414, 271}, {418, 242}, {419, 243},
    {420, 220}, {421, 128}, {422, 202}, {423, 148}, {436, 436}, {437, 437},
    {439, 439}, {441, 441},
};

// Calls with memory of their own. The row has the number on x86-64.
constexpr struct {
  uint16_t number;
  CallRow row;
} kOwn[] = {
    {7, {61, "waitpid", "", "", {Out(1, kInt, kReturned)}}},
    {11, {59, "execve", "", "", {In(0, kName), In(1, kInt), In(2, kInt)}}},
    {13, {201, "time", "", "", {Out(0, kInt)}}},
    {30, {132, "utime", "", "", {In(0, kName), In(1, kShortTime)}}},
    {43, {100, "times", "", "", {Out(0, kTime)}}},
    {55,
     {72,
      "fcntl",
      "",
      "",
      {In(2, kTime, Is(1, 6, 7)), In(2, kTime, Is(1, 5)),
       Out(2, kTime, Is(1, 5)), In(2, kLock, Is(1, 36, 38)),
       Out(2, kLock, Is(1, 36))}}},
    {67, {kNone, "sigaction", "", "", {In(1, kTime), Out(2, kTime)}}},
    {73, {kNone, "sigpending", "", "", {Out(0, kInt)}}},
    {75, {160, "setrlimit", "", "", {In(1, kShortTime)}}},
    {76, {97, "getrlimit", "", "", {Out(1, kShortTime)}}},
    {77, {98, "getrusage", "", "", {Out(1, kShortRusage)}}},
    {78, {96, "gettimeofday", "", "", {Out(0, kShortTime), Out(1, kWord)}}},
    {80, {115, "getgroups", "", "", {Out(1, Result(2), Is(0, 1, 65536))}}},
    {81, {116, "setgroups", "", "", {In(1, Times(0, 2))}}},
    {82,
     {23,
      "select",
      "",
      "",
      {In(1, Bits(0), kEvenThen), In(2, Bits(0), kEvenThen),
       In(3, Bits(0), kEvenThen), In(4, kShortTime, kEvenThen), Out(1, Bits(0)),
       Out(2, Bits(0)), Out(3, Bits(0)), Out(4, kShortTime, kEvenThen)}}},
    {99, {137, "statfs", "", "", {In(0, kName), Out(1, Bytes(64))}}},
    {100, {138, "fstatfs", "", "", {Out(1, Bytes(64))}}},
    {104, {38, "setitimer", "", "", {In(1, kTime), Out(2, kTime)}}},
    {105, {36, "getitimer", "", "", {Out(1, kTime)}}},
    {106, {4, "stat", "", "", {In(0, kName), Out(1, Bytes(64))}}},
    {107, {6, "lstat", "", "", {In(0, kName), Out(1, Bytes(64))}}},
    {108, {5, "fstat", "", "", {Out(1, Bytes(64))}}},
    {114,
     {61,
      "wait4",
      "",
      "",
      {Out(1, kInt, kReturned), Out(3, kShortRusage, kReturned)}}},
    {116, {99, "sysinfo", "", "", {Out(0, Bytes(64))}}},
    {126, {kNone, "sigprocmask", "", "", {In(1, kInt), Out(2, kInt)}}},
    {140, {8, "_llseek", "", "", {Out(3, kWord)}}},
    {142,
     {23,
      "_newselect",
      "",
      "",
      {In(1, Bits(0), kEvenThen), In(2, Bits(0), kEvenThen),
       In(3, Bits(0), kEvenThen), In(4, kShortTime, kEvenThen), Out(1, Bits(0)),
       Out(2, Bits(0)), Out(3, Bits(0)), Out(4, kShortTime, kEvenThen)}}},
    {145, {19, "readv", "", "", {In(1, Times(2, 8))}}},
    {146, {20, "writev", "", "", {In(1, Times(2, 8))}}},
    {161, {148, "sched_rr_get_interval", "", "", {Out(1, kShortTime)}}},
    {162,
     {35,
      "nanosleep",
      "",
      "",
      {In(0, kShortTime, kEvenThen), Out(1, kShortTime, kInterrupted)}}},
    {165,
     {118,
      "getresuid",
      "",
      "",
      {Out(0, Bytes(2)), Out(1, Bytes(2)), Out(2, Bytes(2))}}},
    {171,
     {120,
      "getresgid",
      "",
      "",
      {Out(0, Bytes(2)), Out(1, Bytes(2)), Out(2, Bytes(2))}}},
    {174, {13, "rt_sigaction", "", "", {In(1, Bytes(20)), Out(2, Bytes(20))}}},
    {177,
     {128,
      "rt_sigtimedwait",
      "",
      "",
      {In(0, kWord), In(2, kShortTime), Out(1, kSignalInfo)}}},
    {186, {131, "sigaltstack", "", "", {In(0, Bytes(12)), Out(1, Bytes(12))}}},
    {187, {40, "sendfile", "", "", {In(2, kInt), Out(2, kInt)}}},
    {191, {97, "ugetrlimit", "", "", {Out(1, kShortTime)}}},
    {195, {4, "stat64", "", "", {In(0, kName), Out(1, kWideStat)}}},
    {196, {6, "lstat64", "", "", {In(0, kName), Out(1, kWideStat)}}},
    {197, {5, "fstat64", "", "", {Out(1, kWideStat)}}},
    {221,
     {72,
      "fcntl64",
      "",
      "",
      {In(2, kTime, Is(1, 6, 7)), In(2, kTime, Is(1, 5)),
       Out(2, kTime, Is(1, 5)), In(2, kLock, Is(1, 12, 14)),
       Out(2, kLock, Is(1, 12)), In(2, kLock, Is(1, 36, 38)),
       Out(2, kLock, Is(1, 36))}}},
    {240,
     {202,
      "futex",
      "",
      "",
      {In(0, kInt, Futex(0)), In(0, kInt, Futex(4)), In(0, kInt, Futex(9)),
       In(0, kInt, Futex(11)), Out(0, kInt, Futex(6, 8)),
       Out(4, kInt, Futex(5)), In(3, kShortTime, Futex(0)),
       In(3, kShortTime, Futex(6)), In(3, kShortTime, Futex(9))}}},
    {243, {kNone, "set_thread_area", "", "", {In(0, kTime), Out(0, kInt)}}},
    {260, {223, "timer_settime", "", "", {In(2, kTime), Out(3, kTime)}}},
    {261, {224, "timer_gettime", "", "", {Out(1, kTime)}}},
    {264, {227, "clock_settime", "", "", {In(1, kShortTime)}}},
    {265, {228, "clock_gettime", "", "", {Out(1, kShortTime)}}},
    {266, {229, "clock_getres", "", "", {Out(1, kShortTime)}}},
    {267,
     {230,
      "clock_nanosleep",
      "",
      "",
      {In(2, kShortTime, kEvenThen), Out(3, kShortTime, kInterrupted)}}},
    {268, {137, "statfs64", "", "", {In(0, kName), Out(2, Bytes(84))}}},
    {269, {138, "fstatfs64", "", "", {Out(2, Bytes(84))}}},
    {271, {235, "utimes", "", "", {In(0, kName), In(1, kTime)}}},
    {277, {240, "mq_open", "", "", {In(0, kName), In(3, Bytes(32))}}},
    {279, {242, "mq_timedsend", "", "", {In(1, Times(2)), In(4, kShortTime)}}},
    {280,
     {243,
      "mq_timedreceive",
      "",
      "",
      {In(4, kShortTime), Out(1, Result()), Out(3, kInt)}}},
    {282,
     {245, "mq_getsetattr", "", "", {In(1, Bytes(32)), Out(2, Bytes(32))}}},
    {284,
     {247,
      "waitid",
      "",
      "",
      {Out(4, kShortRusage), Out(2, Bytes(24), kAlsoFailed)}}},
    {299, {261, "futimesat", "", "", {In(1, kName), In(2, kTime)}}},
    {300, {262, "fstatat64", "", "", {In(1, kName), Out(2, kWideStat)}}},
    {308,
     {270,
      "pselect6",
      "",
      "",
      {In(1, Bits(0), kEvenThen), In(2, Bits(0), kEvenThen),
       In(3, Bits(0), kEvenThen), In(4, kShortTime, kEvenThen),
       In(5, kWord, kEvenThen), Out(1, Bits(0)), Out(2, Bits(0)),
       Out(3, Bits(0)), Out(4, kShortTime, kEvenThen)}}},
    {309,
     {271,
      "ppoll",
      "",
      "",
      {In(0, Times(1, 8), kEvenThen), In(2, kShortTime, kEvenThen),
       In(3, Times(4), kEvenThen), Out(0, Times(1, 8), kEvenThen),
       Out(2, kShortTime, kEvenThen)}}},
    {320, {280, "utimensat", "", "", {In(1, kName), In(2, kTime)}}},
    {325, {286, "timerfd_settime", "", "", {In(2, kTime), Out(3, kTime)}}},
    {326, {287, "timerfd_gettime", "", "", {Out(1, kTime)}}},
    {333, {295, "preadv", "", "", {In(1, Times(2, 8))}}},
    {334, {296, "pwritev", "", "", {In(1, Times(2, 8))}}},
    {337, {299, "recvmmsg", "", "", {In(1, Times(2, 32)), Out(1, Result(32))}}},
    {345, {307, "sendmmsg", "", "", {In(1, Times(2, 32)), Out(1, Result(32))}}},
    {358, {322, "execveat", "", "", {In(1, kName), In(2, kInt), In(3, kInt)}}},
    {370, {46, "sendmsg", "", "", {In(1, kShortMessage)}}},
    {372,
     {47, "recvmsg", "", "", {In(1, kShortMessage), Out(1, kShortMessage)}}},
    {378, {327, "preadv2", "", "", {In(1, Times(2, 8))}}},
    {379, {328, "pwritev2", "", "", {In(1, Times(2, 8))}}},
    {396,
     {31,
      "shmctl",
      "",
      "",
      {In(2, Bytes(84), Command(1)), Out(2, Bytes(84), Command(2))}}},
    {400, {69, "msgsnd", "", "", {In(1, Times(2, 1, 4))}}},
    {401, {70, "msgrcv", "", "", {Out(1, Result(1, 4))}}},
    {413,
     {270,
      "pselect6_time64",
      "",
      "",
      {In(1, Bits(0), kEvenThen), In(2, Bits(0), kEvenThen),
       In(3, Bits(0), kEvenThen), In(4, kTime, kEvenThen),
       In(5, kWord, kEvenThen), Out(1, Bits(0)), Out(2, Bits(0)),
       Out(3, Bits(0)), Out(4, kTime, kEvenThen)}}},
    {417,
     {299,
      "recvmmsg_time64",
      "",
      "",
      {In(1, Times(2, 32)), Out(1, Result(32))}}},
};

}  // namespace i386_row

I386Call FindI386Call(uint64_t number) {
  const auto before = [](const auto& row, uint64_t n) {
    return row.number < n;
  };
  const auto own = std::lower_bound(std::begin(i386_row::kOwn),
                                    std::end(i386_row::kOwn), number, before);
  if (own != std::end(i386_row::kOwn) && own->number == number) {
    return {own->row.number, &own->row};
  }
  const auto same = std::lower_bound(std::begin(i386_row::kSame),
                                     std::end(i386_row::kSame), number, before);
  if (same != std::end(i386_row::kSame) && same->number == number) {
    return {same->becomes, nullptr};
  }
  return {};
}

}  // namespace xmmu
