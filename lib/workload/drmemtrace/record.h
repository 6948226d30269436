#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_RECORD_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_RECORD_H_

// The records of a final trace of DynamoRIO's drmemtrace. Numbers and meanings
// are those of clients/drcachesim/common/trace_entry.h, up to DynamoRIO 11.90
// (2026); none has ever changed its meaning, and new ones are appended.
//
// A record is 12 bytes, little-endian: u16 type, u16 size, u64 address or
// value. 32-bit tools write 8 bytes, with a u32.

#include <cstddef>
#include <cstdint>

namespace xmmu {

inline constexpr size_t kRecordBytes = 12;
inline constexpr size_t kRecordBytes32 = 8;
inline constexpr uint64_t kNewestTraceVersion = 7;

enum RecordType : uint16_t {
  kRecordRead = 0,
  kRecordWrite = 1,
  kRecordInstr = 10,        // the first of the instructions...
  kRecordInstrReturn = 16,  // ... and the last of those in one row
  kRecordInstrBundle = 17,
  kRecordThread = 22,
  kRecordThreadExit = 23,
  kRecordPid = 24,
  kRecordHeader = 25,
  kRecordFooter = 26,
  kRecordMarker = 28,
  kRecordInstrNoFetch = 29,     // an iteration of a string instruction
  kRecordInstrMaybeFetch = 30,  // of online traces: kRecordInstr if it moves on
  kRecordInstrSysenter = 31,
  kRecordEncoding = 47,
  kRecordInstrTakenJump = 48,
  kRecordInstrUntakenJump = 49,
  kRecordInvalid = 50,
};

// Subtypes of kRecordMarker, which stand in the record's size.
enum MarkerType : uint16_t {
  kMarkerKernelEvent = 0,  // a signal's handler begins
  kMarkerTimestamp = 2,
  kMarkerCpuId = 3,
  kMarkerFuncId = 4,
  kMarkerFuncArg = 6,
  kMarkerFuncRetval = 7,
  kMarkerFileType = 9,
  kMarkerVersion = 12,
  kMarkerWindowId = 14,
  kMarkerChunkInstrCount = 20,
  kMarkerChunkFooter = 21,
  kMarkerRecordOrdinal = 22,
  kMarkerSyscall = 25,
  kMarkerMaybeBlocking = 26,
  kMarkerSyscallTraceStart = 27,
  kMarkerSyscallTraceEnd = 28,
  kMarkerSyscallFailed = 30,
  kMarkerCoreWait = 32,
  kMarkerCoreIdle = 33,
  kMarkerSwitchTraceStart = 34,
  kMarkerSwitchTraceEnd = 35,
};

// Bits of kMarkerFileType.
enum FileTypeBits : uint64_t {
  kFileFiltered = 0x1,
  kFileInstructionsOnly = 0x4,
  kFileAarch64 = 0x8,
  kFileArm32 = 0x10,
  kFileX86_32 = 0x20,
  kFileX86_64 = 0x40,
  kFileInstructionsFiltered = 0x80,
  kFileDataFiltered = 0x100,
  kFileSyscallNumbers = 0x400,
  kFileBlockingSyscalls = 0x800,
  kFileKernelParts = 0x1000,
  kFileTemplate = 0x4000,
  kFileKernelSyscalls = 0x8000,
  kFileCoreSharded = 0x10000,
  kFileRegdeps = 0x20000,
};

// Ids of kMarkerFuncId from here on are system calls, by their number.
inline constexpr uint64_t kSyscallIdBase = uint64_t{1} << 32;

// What a reader does with a record.
enum class RecordUse : uint8_t {
  kUsed,
  kRepeated,  // at the start of a chunk: what the last chunk said already
  kKernel,    // of the kernel's own code, which the recorder put in
};

struct TraceRecord {
  uint64_t address = 0;  // or value
  uint16_t type = 0;
  uint16_t size = 0;
  RecordUse use = RecordUse::kUsed;

  bool IsMarker(MarkerType marker) const {
    return type == kRecordMarker && size == marker;
  }
  bool IsUsedMarker(MarkerType marker) const {
    return IsMarker(marker) && use == RecordUse::kUsed;
  }
};

// Whether the type is that of an instruction that is fetched. One of size 0 is
// in filtered traces, names the instruction of the data that follows, and is no
// fetch.
constexpr bool IsInstruction(uint16_t type) {
  return (type >= kRecordInstr && type <= kRecordInstrReturn) ||
         type == kRecordInstrSysenter || type == kRecordInstrTakenJump ||
         type == kRecordInstrUntakenJump;
}

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_RECORD_H_
