#include "workload/drmemtrace/process_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workload/input/file_error.h"
#include "workload/process/call_number.h"
#include "workload/process/program_layout.h"

namespace xmmu {
namespace {

// A span ends behind the instruction that reaches this many operations, or at
// the end of a batch.
constexpr size_t kOpsOfATurn = 1024;

// The longest instruction (SDM Vol. 2, 2.3.11).
constexpr uint64_t kLongestFetch = 15;
// No access of one x86 instruction is longer (XSAVE area with AMX tiles, SDM
// "XSAVE-Managed Features").
constexpr uint64_t kLongestData = 16 * 1024;

constexpr uint64_t kKernelHalf = uint64_t{1} << 63;
// Linux, arch/x86/include/uapi/asm/vsyscall.h, VSYSCALL_ADDR.
constexpr uint64_t kVsyscallPage = 0xffffffffff600000;

// A read-modify-write needs the right to write, which on x86 includes reading.
constexpr uint8_t RightOf(GuestOpKind kind) {
  if (kind == GuestOpKind::kFetch) return kMapExecute;
  return kind == GuestOpKind::kLoad ? kMapRead : kMapWrite;
}

}  // namespace

ProcessStream::ProcessStream(const TraceSet& set, TaskId process,
                             ProcessState state, bool fresh, bool fetches,
                             std::vector<Start> starts,
                             DrmemtraceCounts* counts)
    : set_(set),
      process_(process),
      fresh_(fresh),
      fetches_(fetches),
      starts_(std::move(starts)),
      counts_(*counts),
      writer_(process, std::move(state)) {}

absl::Status ProcessStream::ErrorAt(absl::string_view what) const {
  return FileError(*batch_.path, batch_.offset + at_ * kRecordBytes, what);
}

// Errors stay: a stream cannot go on after one.
absl::StatusOr<std::span<const GuestOp>> ProcessStream::Next(
    std::vector<Birth>* births) {
  if (!failure_.ok()) return failure_;
  births_ = births;
  writer_.ops().clear();
  pairing_.Begin();
  if (!started_stream_) {
    started_stream_ = true;
    failure_ = NextProgram();
  }
  while (failure_.ok() && !ended_ && writer_.ops().size() < kOpsOfATurn) {
    failure_ = at_ == batch_.records.size() ? Refill() : ReadBatch();
  }
  if (!failure_.ok()) return failure_;
  if (writer_.ops().empty()) {
    // The exit is a span of its own, and stays valid as long as the workload.
    std::vector<GuestOp>(1).swap(writer_.ops());
    writer_.ops()[0].kind = GuestOpKind::kExit;
    writer_.state() = ProcessState(0, kProgramLayout);
    threads_.clear();
    done_ = true;
  }
  return std::span<const GuestOp>(writer_.ops());
}

absl::Status ProcessStream::Refill() {
  const absl::StatusOr<RecordBatch> batch = source_->Read();
  if (!batch.ok()) return batch.status();
  const uint64_t read = source_->records();
  counts_.records += read - std::exchange(source_records_, read);
  if (batch->ended) {
    at_ = 0;
    batch_.records = {};
    return program_ < set_.processes.at(process_).size() ? NextProgram()
                                                         : End();
  }
  if (batch->begins_piece) {
    const absl::Status ended = EndPiece();
    if (!ended.ok()) return ended;
  }
  batch_ = *batch;
  at_ = 0;
  if (batch_.begins_piece) StartOthers(batch_.key);
  return SwitchThread(batch_.thread);
}

// Each program but the first begins with the exec at the end of the one before.
absl::Status ProcessStream::NextProgram() {
  const std::vector<TracedProgram>& programs = set_.processes.at(process_);
  const TracedProgram& program = programs[program_];
  const bool execs = program_ > 0 || fresh_;
  if (execs) writer_.BeginExec(ExecCall());
  const bool forked = program_ == 0 && set_.parents.contains(process_);
  if (forked) writer_.BeginChild();
  if (!forked) writer_.Exec(program.name);
  mapped_known_ = forked;
  threads_.clear();
  thread_ = nullptr;
  thread_id_ = 0;
  window_.reset();
  state_unknown_ = false;
  source_ = program.Open(process_);
  source_records_ = 0;
  ++program_;
  return absl::OkStatus();
}

absl::Status ProcessStream::End() {
  if (thread_ != nullptr) {
    const absl::Status finished = FinishOpenCall();
    if (!finished.ok()) return finished;
  }
  StartOthers({~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}});
  source_.reset();
  ended_ = true;
  return absl::OkStatus();
}

void ProcessStream::Begin(TaskId child, ProcessState state, bool fresh) {
  born_.insert(child);
  births_->push_back({child, std::move(state), fresh});
}

// A program that no fork starts in the trace is started as by posix_spawn: a
// vfork copies no page tables, and its child begins with an exec.
void ProcessStream::StartOthers(const PieceKey& until) {
  for (; started_ < starts_.size() && starts_[started_].key <= until;
       ++started_) {
    const TaskId child = starts_[started_].process;
    writer_.Push(GuestOpKind::kVfork);
    writer_.ops().back().child = child;
    Begin(child, ProcessState(0, kProgramLayout), /*fresh=*/true);
    ++counts_.started;
  }
}

absl::Status ProcessStream::ReadBatch() {
  const std::vector<GuestOp>& ops = writer_.ops();
  for (; at_ < batch_.records.size(); ++at_) {
    const TraceRecord& record = batch_.records[at_];
    // A span may end where an instruction begins, so that what it reads and
    // writes can become one operation.
    if (ops.size() >= kOpsOfATurn && record.type > kRecordWrite) break;
    const absl::Status read = ReadRecord(record);
    if (!read.ok()) return read;
  }
  return absl::OkStatus();
}

absl::Status ProcessStream::ReadRecord(const TraceRecord& record) {
  if (record.use != RecordUse::kUsed) [[unlikely]] {
    if (record.use == RecordUse::kKernel) ++counts_.kernel_records;
    return absl::OkStatus();
  }
  if (IsInstruction(record.type)) return ReadInstruction(record);
  if (record.type <= kRecordWrite) return ReadData(record);
  if (record.type == kRecordEncoding) return absl::OkStatus();
  return ReadOther(record);
}

absl::Status ProcessStream::ReadOther(const TraceRecord& record) {
  switch (record.type) {
    case kRecordMarker:
      return ReadMarker(record);
    case kRecordInstrNoFetch:
      pairing_.Begin();
      ++counts_.iterations;
      break;
    case kRecordThreadExit:
      return FinishOpenCall();
    case kRecordPid:
      if (record.address == process_) break;
      return ErrorAt(absl::StrCat("a thread of process ", record.address,
                                  " in a file of process ", process_,
                                  ", expected a file for each process"));
    default:
      break;
  }
  return absl::OkStatus();
}

absl::Status ProcessStream::ReadInstruction(const TraceRecord& record) {
  pairing_.Begin();
  if (thread_->calls.open()) [[unlikely]] {
    const absl::Status finished = FinishOpenCall();
    if (!finished.ok()) return finished;
  }
  if (record.size == 0) return absl::OkStatus();  // names what follows
  if (record.size > kLongestFetch) {
    return ErrorAt(absl::StrCat("an instruction of ", record.size,
                                " bytes, expected at most ", kLongestFetch));
  }
  if (!mapped_known_) {
    const absl::Status mapped = MapKnown();
    if (!mapped.ok()) return mapped;
  }
  ++counts_.fetches;
  if (!fetches_) return absl::OkStatus();
  return Access(GuestOpKind::kFetch, record.address, record.size).status();
}

// XSAVE and its kin have size 0 (DynamoRIO issues 2946, 3473): a byte stands
// for them.
absl::Status ProcessStream::ReadData(const TraceRecord& record) {
  const uint64_t length = std::max<uint64_t>(record.size, 1);
  if (length > kLongestData) {
    return ErrorAt(absl::StrCat("an access of ", length,
                                " bytes, expected at most ", kLongestData));
  }
  if (record.size == 0) ++counts_.unsized;
  const bool reads = record.type == kRecordRead;
  ++(reads ? counts_.reads : counts_.writes);
  if (reads) {
    const auto op = Access(GuestOpKind::kLoad, record.address, length);
    if (!op.ok()) return op.status();
    if (op->has_value()) pairing_.Read(record.address, record.size, **op);
    return absl::OkStatus();
  }
  const std::optional<size_t> pair =
      pairing_.Write(record.address, record.size);
  if (!pair.has_value()) {
    return Access(GuestOpKind::kStore, record.address, length).status();
  }
  ++counts_.modifies;
  const auto window = WindowFor(GuestOpKind::kStore, record.address, length);
  if (!window.ok()) return window.status();
  const bool writable = (window->rights & kMapWrite) != 0;
  if (writable) writer_.ops()[*pair].kind = GuestOpKind::kModify;
  if (!writable) ++counts_.against;
  return absl::OkStatus();
}

absl::Status ProcessStream::CheckAddress(uint64_t va, bool* outside) const {
  *outside = va >= kUserEnd;
  if ((va & kKernelHalf) == 0 || (va & ~kPageOffsetMask) == kVsyscallPage) {
    return absl::OkStatus();
  }
  return ErrorAt(absl::StrCat("an access to 0x", absl::Hex(va),
                              ", which is the kernel's, expected addresses of "
                              "the program"));
}

inline absl::StatusOr<AccessWindow> ProcessStream::WindowFor(GuestOpKind kind,
                                                             uint64_t va,
                                                             uint64_t length) {
  // Windows are cached by 64 KiB: code, data and stack rarely share an entry.
  CachedWindow& cached = windows_[(va >> 16) % windows_.size()];
  const uint64_t into = va - cached.window.start;
  if (cached.generation != writer_.generation() || into >= cached.window.size ||
      length > cached.window.size - into) {
    const bool store =
        kind != GuestOpKind::kFetch && kind != GuestOpKind::kLoad;
    const absl::StatusOr<AccessWindow> window = writer_.WindowFor(
        va, length, store, /*fetch=*/kind == GuestOpKind::kFetch);
    if (!window.ok()) return ErrorAt(window.status().message());
    cached = {*window, writer_.generation()};
  }
  return cached.window;
}

absl::StatusOr<std::optional<size_t>> ProcessStream::Access(GuestOpKind kind,
                                                            uint64_t va,
                                                            uint64_t length) {
  if (va >= kUserEnd) [[unlikely]] {
    bool outside = false;
    const absl::Status right = CheckAddress(va, &outside);
    if (!right.ok()) return right;
    ++counts_.outside;
    return std::nullopt;
  }
  absl::StatusOr<AccessWindow> window = WindowFor(kind, va, length);
  if (!window.ok()) return window.status();
  const uint8_t right = RightOf(kind);
  if ((window->rights & right) == 0) [[unlikely]] {
    // The call that gave the right is not in the trace.
    if (state_unknown_) {
      writer_.Grant(va, right);
      writer_.Grant(va + length - 1, right);
      window = WindowFor(kind, va, length);
      if (!window.ok()) return window.status();
    }
    if ((window->rights & right) == 0) {
      ++counts_.against;
      return std::nullopt;
    }
  }
  GuestOp& op = writer_.ops().emplace_back();
  op.kind = kind;
  op.va = VirtAddr(va + window->shift);
  op.length = length;
  return writer_.ops().size() - 1;
}

// A v2p.textproto has every page that the trace touches, and a modules.log all
// code but what the program makes itself. What does not cover the first
// accesses is of another trace.
bool ProcessStream::Covers(const std::vector<KnownMapping>& mappings,
                           bool only_code) const {
  return std::all_of(batch_.records.begin() + static_cast<ptrdiff_t>(at_),
                     batch_.records.end(), [&](const TraceRecord& record) {
                       const bool touches =
                           IsInstruction(record.type) ||
                           (!only_code && record.type <= kRecordWrite);
                       return !touches || record.use != RecordUse::kUsed ||
                              Contains(mappings, record.address);
                     });
}

absl::Status ProcessStream::MapKnown() {
  mapped_known_ = true;
  const TracedProgram& program = set_.processes.at(process_)[program_ - 1];
  if (!program.whole_directory) return absl::OkStatus();
  for (const bool modules : {true, false}) {
    const std::string path = FindBeside(
        program.directory, modules ? "modules.log" : "v2p.textproto");
    if (path.empty()) continue;
    const absl::StatusOr<std::vector<KnownMapping>> known =
        modules ? ReadModules(path) : ReadV2p(path);
    if (!known.ok()) return known.status();
    if (!Covers(*known, /*only_code=*/modules)) {
      ++counts_.strangers;
      continue;
    }
    const absl::Status mapped = MapAll(*known);
    if (!mapped.ok()) return FileError(path, 1, mapped.message());
  }
  return absl::OkStatus();
}

absl::Status ProcessStream::MapAll(const std::vector<KnownMapping>& mappings) {
  for (const KnownMapping& mapping : mappings) {
    Region region;
    region.end = mapping.end;
    region.rights = kMapRead | kMapWrite | kMapExecute;
    if (mapping.is_file) {
      region.backing = Backing::kFilePrivate;
      region.file = mapping.file;
      region.offset = mapping.offset;
    }
    const absl::Status mapped = writer_.MapHoles(mapping.start, region);
    if (!mapped.ok()) return mapped;
    ++counts_.known;
    if (mapping.page_shift == kPageShift) continue;
    // A hint that the guest may follow: the table is a plausible one, not that
    // of the recorded machine.
    writer_.AdviseHuge(mapping.start, mapping.end);
    ++counts_.large_pages;
  }
  return absl::OkStatus();
}

}  // namespace xmmu
