#include "workload/qemu/process_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "workload/qemu/spool_words.h"

namespace xmmu {
namespace {

// Assumed: no path and no command line is longer (Linux, include/uapi/linux/
// limits.h has PATH_MAX of 4096 bytes, and fs/exec.c at most 6 MiB of
// arguments).
constexpr uint64_t kLongestPath = 64 * 1024;
constexpr uint64_t kLongestCommand = 8 * 1024 * 1024;

constexpr uint64_t kMapWords = 4;  // of a MAP, before its path

}  // namespace

ProcessReader::ProcessReader(const SpoolProcess& process, TaskId task,
                             ProcessState state, bool narrow,
                             std::shared_ptr<const BlockTable> blocks,
                             Shared shared)
    : process_(process),
      task_(task),
      shared_(shared),
      writer_(task, std::move(state)),
      accesses_(writer_, shared.sink, shared.counts),
      blocks_(std::move(blocks)),
      narrow_(narrow) {
  ++shared_.counts.processes;
}

absl::StatusOr<std::optional<ProcessReader::Birth>> ProcessReader::Run() {
  absl::Status status;
  while (!done_) {
    if (!running_) {
      status = BeginProgram();
    } else if (queue_.empty()) {
      status = EndProgram();
    } else {
      const size_t index = queue_.extract(queue_.begin()).value().second;
      Thread& thread = *threads_[index];
      status = Advance(thread);
      if (!thread.ended) queue_.emplace(thread.time, index);
    }
    if (!status.ok()) return status;
    if (birth_.has_value()) return std::exchange(birth_, std::nullopt);
  }
  return std::nullopt;
}

void ProcessReader::Release() {
  for (const auto& thread : threads_) thread->file.Release();
}

absl::Status ProcessReader::BeginProgram() {
  const SpoolProgram& program = process_.programs[program_];
  ++shared_.counts.programs;
  absl::StatusOr<std::shared_ptr<const BlockTable>> blocks = BlockTable::Read(
      program.blocks, program_ == 0 ? std::move(blocks_) : nullptr);
  if (!blocks.ok()) return blocks.status();
  blocks_ = *std::move(blocks);
  threads_.clear();
  main_ = program.main;
  for (const std::string& path : program.threads) {
    Thread& thread =
        *threads_.emplace_back(std::make_unique<Thread>(path, threads_.size()));
    // The directory has been read, so that is a THREAD.
    std::vector<uint64_t> words;
    const absl::Status taken = thread.file.Take(2, 0, words);
    if (!taken.ok()) return taken;
    thread.tid = spool::PayloadOf(words[0]);
    thread.time = TimeBehind(words[1]);
    queue_.emplace(thread.time, thread.index);
    thread.file.Release();
  }
  shared_.counts.threads += threads_.size() - 1;
  main().task = task_;
  main().posts = main_posts_;
  main().seen = changes_;
  live_ = 1;
  running_ = true;
  executes_ = false;
  return absl::OkStatus();
}

absl::Status ProcessReader::BeginThread(Thread& thread) {
  thread.begun = true;
  if (&thread != &main()) {
    if (named_.count(thread.tid) == 0) {
      const absl::Status adopted = AdoptThread(thread.tid);
      if (!adopted.ok()) return adopted;
    }
    const auto named = named_.find(thread.tid);
    if (named == named_.end()) {
      ++shared_.counts.unnamed_threads;
      thread.ended = true;
      return absl::OkStatus();
    }
    thread.task = named->second.task;
    thread.seen = named->second.seen;
    named_.erase(named);
    return absl::OkStatus();
  }
  const SpoolProgram& program = process_.programs[program_];
  if (!program.parent.has_value()) return absl::OkStatus();
  std::vector<uint64_t> forked;
  absl::Status status = thread.file.Take(1, thread.file.offset(), forked);
  status.Update(accesses_.Turn(task_));
  executes_ = true;
  writer_.BeginChild();
  status.Update(accesses_.AppendOps());
  return status;
}

absl::Status ProcessReader::Advance(Thread& thread) {
  absl::Status status;
  if (!thread.begun) status = BeginThread(thread);
  if (absl::IsOutOfRange(status)) return EndThread(thread);
  if (thread.ended || !status.ok()) return status;
  status = accesses_.Turn(thread.task);
  if (status.ok() && thread.call.has_value() && thread.call->returned) {
    status = FinishCall(thread);
  }
  bool turn_over = birth_.has_value();
  while (status.ok() && !turn_over && !thread.ended) {
    status = thread.file.Fill();
    if (!status.ok()) break;
    const uint64_t* const at = thread.file.at();
    if (at == thread.file.end() || *at == 0) {
      status = EndThread(thread);
    } else if (spool::IsAccess(*at)) {
      status = ReadAccesses(thread);
    } else {
      accesses_.EndBlock();
      status = ReadWord(thread, *at, &turn_over);
      turn_over |= birth_.has_value();
    }
    // The recording of the thread ends within the word's record.
    if (absl::IsOutOfRange(status)) status = EndThread(thread);
  }
  return status;
}

absl::Status ProcessReader::ReadAccesses(Thread& thread) {
  SpoolFile& file = thread.file;
  const absl::StatusOr<const uint64_t*> behind =
      accesses_.Accesses(file.at(), file.end());
  if (!behind.ok()) return behind.status();
  file.SetAt(*behind);
  return absl::OkStatus();
}

absl::Status ProcessReader::ReadWord(Thread& thread, uint64_t word,
                                     bool* turn_over) {
  SpoolFile& file = thread.file;
  const uint64_t payload = spool::PayloadOf(word);
  absl::Status status;
  switch (spool::TypeOf(word)) {
    case spool::kBlock:
      return ReadBlock(thread, payload);
    case spool::kClock:
      status = NoteTime(thread, TimeBehind(payload), turn_over);
      if (!*turn_over) file.SetAt(file.at() + 1);
      return status;
    case spool::kCall:
      status = NoteTime(thread, TimeOf(spool::CallClockOf(payload)), turn_over);
      return status.ok() && !*turn_over ? ReadCall(thread, turn_over) : status;
    case spool::kMap:
      return ReadMap(thread, payload);
    case spool::kProgram:
      return ReadProgram(thread, payload);
    case spool::kExit:
      return EndThread(thread);
    default:
      return ErrorAt(thread, file.offset(),
                     absl::StrCat("the word 0x", absl::Hex(word),
                                  ", expected a BLOCK, CLOCK, CALL or EXIT"));
  }
}

absl::Status ProcessReader::NoteTime(Thread& thread, uint64_t time,
                                     bool* turn_over) {
  if (time < thread.time) {
    return ErrorAt(thread, thread.file.offset(),
                   absl::StrCat("a clock of ", time / 2, ", expected ",
                                thread.time / 2, " or more"));
  }
  thread.time = time;
  const std::pair<uint64_t, size_t> mine(time, thread.index);
  *turn_over = !queue_.empty() && *queue_.begin() < mine;
  return absl::OkStatus();
}

absl::Status ProcessReader::ReadBlock(Thread& thread, uint64_t id) {
  const Block block = blocks_->Find(id);
  if (block.instructions == 0 && !blocks_->cut()) {
    return ErrorAt(
        thread, thread.file.offset(),
        absl::StrCat("block ", id, ", expected one of ", blocks_->path()));
  }
  if (!executes_) {
    if (writer_.state().map.empty()) {
      return ErrorAt(thread, thread.file.offset(),
                     "a BLOCK, expected a MAP of the program first");
    }
    executes_ = true;
  }
  absl::Status status;
  if (thread.call.has_value()) status = AbandonCall(thread);
  if (thread.seen != changes_) status.Update(BeforeActing(thread));
  thread.acted = true;
  thread.file.SetAt(thread.file.at() + 1);
  if (block.instructions == 0) {
    ++shared_.counts.lost_blocks;
    return status;
  }
  status.Update(accesses_.BeginBlock(block));
  return status;
}

// A kill can come as the last record is being written: it ends with zeros, and
// nothing is behind it.
bool ProcessReader::IsCutShort(Thread& thread) {
  const absl::StatusOr<uint64_t> behind = thread.file.Peek();
  return behind.ok() && *behind == 0;
}

absl::Status ProcessReader::ReadMap(Thread& thread, uint64_t payload) {
  const uint64_t record = thread.file.offset();
  const uint64_t bytes = spool::TagOf(payload);
  if (executes_ || bytes > kLongestPath) {
    return ErrorAt(thread, record,
                   executes_
                       ? "a MAP, expected it before the first BLOCK"
                       : absl::StrCat("a path of ", bytes,
                                      " bytes, expected up to ", kLongestPath));
  }
  std::vector<uint64_t> words;
  absl::Status status = thread.file.Take(kMapWords, record, words);
  if (!status.ok()) return status;
  const absl::StatusOr<std::string> path = thread.file.TakeBytes(bytes, record);
  if (!path.ok()) return path.status();
  if (words[2] == 0 && IsCutShort(thread)) return EndThread(thread);
  Region region;
  region.end = words[2];
  region.rights = static_cast<uint8_t>(payload & 7);
  if (!path->empty()) {
    region.backing = Backing::kFilePrivate;
    region.file = FileIdentity(*path);
    region.offset = words[3];
  }
  if ((payload >> 8 & spool::kMapStack) != 0) region.backing = Backing::kStack;
  status = region.backing == Backing::kStack
               ? MapStack(words[1], region)
               : writer_.MapImage(words[1], region);
  if (!status.ok()) return ErrorAt(thread, record, status.message());
  return accesses_.AppendOps();
}

// The pages that exec wrote to are there with kExec.
absl::Status ProcessReader::MapStack(uint64_t start, Region region) {
  if (!exec_stack_.has_value() || exec_stack_->end != region.end ||
      exec_stack_->start < start) {
    return writer_.MapImage(start, region);
  }
  absl::Status status = writer_.MapImage(exec_stack_->start, region);
  if (!status.ok()) return status;
  writer_.ops().pop_back();
  region.end = exec_stack_->start;
  return start == region.end ? status : writer_.MapImage(start, region);
}

absl::Status ProcessReader::ReadProgram(Thread& thread, uint64_t payload) {
  const uint64_t record = thread.file.offset();
  const uint64_t bytes = spool::LengthOf(payload);
  if (bytes > kLongestCommand || executes_ || !writer_.state().map.empty()) {
    return ErrorAt(
        thread, record,
        bytes > kLongestCommand
            ? absl::StrCat("a text of ", bytes, " bytes, expected up to ",
                           kLongestCommand)
            : "a PROGRAM, expected it before the first MAP");
  }
  thread.file.SetAt(thread.file.at() + 1);
  const absl::StatusOr<std::string> text = thread.file.TakeBytes(bytes, record);
  if (!text.ok()) return text.status();
  const uint64_t kind = spool::TagOf(payload);
  if (kind == spool::kProgramPath) writer_.Exec(*text);
  if (kind != spool::kProgramArchitecture) return absl::OkStatus();
  narrow_ = *text == "i386";
  if (narrow_ || *text == "x86_64") return absl::OkStatus();
  if (!text->empty() && text->back() == '\0' && IsCutShort(thread)) {
    return EndThread(thread);
  }
  return ErrorAt(
      thread, record,
      absl::StrCat("a program for ", *text, ", expected x86_64 or i386"));
}

}  // namespace xmmu
