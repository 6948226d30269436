#include "workload/qemu/i386_calls.h"

#include <cstring>
#include <utility>

#include "workload/process/call_number.h"
#include "workload/qemu/i386_rows.h"
#include "xmmu/base/address.h"

namespace xmmu {
namespace {

using Arguments = std::array<uint64_t, 6>;

// Numbers of calls whose arguments are passed in ways of their own (Linux 6.1,
// arch/x86/entry/syscalls/syscall_32.tbl).
constexpr uint64_t kOldSelect = 82;
constexpr uint64_t kOldMmap = 90;
constexpr uint64_t kSocketCall = 102;
constexpr uint64_t kIpc = 117;
constexpr uint64_t kCloneNarrow = 120;
constexpr uint64_t kMmap2 = 192;
constexpr uint64_t kWaitpid = 7;
constexpr uint64_t kSendmsgNarrow = 370;
constexpr uint64_t kSendmmsgNarrow = 345;
constexpr uint64_t kRecvmsgNarrow = 372;
constexpr uint64_t kRecvmmsgNarrow = 337;

// What socketcall(2)'s first argument asks for (include/uapi/linux/net.h): the
// number on x86-64, how many words of arguments it has (net/socket.c, nargs),
// and the 32-bit call whose memory it has, if that is its own.
struct SocketRow {
  uint16_t becomes;
  uint8_t arguments;
  uint16_t like;
};
constexpr SocketRow kSocketRows[] = {
    {41, 3, 0},                 // SYS_SOCKET
    {49, 3, 0},                 // SYS_BIND
    {42, 3, 0},                 // SYS_CONNECT
    {50, 2, 0},                 // SYS_LISTEN
    {43, 3, 0},                 // SYS_ACCEPT
    {51, 3, 0},                 // SYS_GETSOCKNAME
    {52, 3, 0},                 // SYS_GETPEERNAME
    {53, 4, 0},                 // SYS_SOCKETPAIR
    {44, 4, 0},                 // SYS_SEND: sendto without an address
    {45, 4, 0},                 // SYS_RECV
    {44, 6, 0},                 // SYS_SENDTO
    {45, 6, 0},                 // SYS_RECVFROM
    {48, 2, 0},                 // SYS_SHUTDOWN
    {54, 5, 0},                 // SYS_SETSOCKOPT
    {55, 5, 0},                 // SYS_GETSOCKOPT
    {46, 3, kSendmsgNarrow},    // SYS_SENDMSG
    {47, 3, kRecvmsgNarrow},    // SYS_RECVMSG
    {288, 4, 0},                // SYS_ACCEPT4
    {299, 5, kRecvmmsgNarrow},  // SYS_RECVMMSG
    {307, 4, kSendmmsgNarrow},  // SYS_SENDMMSG
};

// The words that an argument points to, as far as the recording has them.
Arguments WordsOf(const SpoolCall& call, uint8_t argument) {
  Arguments words{};
  for (const CallMemory& memory : call.memory) {
    if (memory.argument != argument) continue;
    for (size_t i = 0; i < words.size(); ++i) {
      if ((i + 1) * 4 > memory.bytes.size()) break;
      memcpy(&words[i], memory.bytes.data() + i * 4, 4);
    }
  }
  return words;
}

void TranslateSocketCall(const SpoolCall& recorded, SystemCall& call) {
  const uint64_t wanted = call.args[0];
  call.number = kNoCall;
  call.row = nullptr;
  if (wanted < 1 || wanted > std::size(kSocketRows)) return;
  const SocketRow& row = kSocketRows[wanted - 1];
  call.number = row.becomes;
  if (row.like != 0) call.row = FindI386Call(row.like).row;
  const Arguments words = WordsOf(recorded, 1);
  call.args = {};
  for (size_t i = 0; i < row.arguments; ++i) call.args[i] = words[i];
}

// Source: ksys_ipc (Linux, ipc/syscall.c). Where shmat(2) has attached a segment
// is in memory that the recording does not have, so it becomes no call.
void TranslateIpc(SystemCall& call) {
  constexpr uint64_t kSemopOfIpc = 1;
  constexpr uint64_t kSemtimedopOfIpc = 4;
  constexpr uint64_t kShmdtOfIpc = 22;
  constexpr uint64_t kShmgetOfIpc = 23;
  constexpr uint64_t kShmctlOfIpc = 24;
  const auto [wanted, first, second, third, pointer, fifth] = call.args;
  call.number = kNoCall;
  call.row = nullptr;
  switch (wanted & 0xffff) {
    case kSemopOfIpc:
      call.number = kSemop;
      call.args = {first, pointer, second};
      break;
    case kSemtimedopOfIpc:
      // Without its timeout, which has no row.
      call.number = kSemop;
      call.args = {first, pointer, second};
      break;
    case kShmdtOfIpc:
      call.number = kShmdt;
      call.args = {pointer};
      break;
    case kShmgetOfIpc:
      call.number = kShmget;
      call.args = {first, second, third};
      break;
    case kShmctlOfIpc:
      call.number = kShmctl;
      call.row = FindI386Call(396).row;
      call.args = {first, second, pointer};
      break;
    default:
      break;
  }
}

}  // namespace

TranslatedCall TranslateI386Call(const SpoolCall& recorded) {
  TranslatedCall translated;
  SystemCall& call = translated.call;
  call.readable = true;
  TakeTexts(recorded, call);
  if (recorded.returned) translated.result = ResultOf(recorded.result, true);
  // QEMU hands on what is in 32-bit registers with its sign.
  for (size_t i = 0; i < call.args.size(); ++i) {
    call.args[i] = recorded.args[i] & 0xffffffff;
  }
  const I386Call row = FindI386Call(recorded.number);
  call.number = row.becomes;
  call.row = row.row;
  switch (recorded.number) {
    case kWaitpid:
      call.args[3] = 0;
      break;
    case kOldSelect:
      call.args = WordsOf(recorded, 0);
      break;
    case kOldMmap:
      call.args = WordsOf(recorded, 0);
      break;
    case kMmap2:
      call.args[5] <<= kPageShift;
      break;
    case kCloneNarrow:
      std::swap(call.args[3], call.args[4]);
      break;
    case kSocketCall:
      TranslateSocketCall(recorded, call);
      break;
    case kIpc:
      TranslateIpc(call);
      break;
    default:
      break;
  }
  TakeVectors(recorded, sizeof(uint32_t), translated);
  return translated;
}

}  // namespace xmmu
