#include "cli/pack_spool.h"

#include <span>
#include <utility>

#include "workload/qemu/convert_spool.h"
#include "xmmu/workload/packed_trace.h"

namespace xmmu::cli {
namespace {

// Takes the operations of a spool into a packed trace.
class PackedSink final : public OpSink {
 public:
  PackedSink(PackedTraceWriter& to, Console* console)
      : to_(to), console_(console) {}
  absl::Status Append(TaskId task, std::span<const GuestOp> ops) override {
    if (console_ != nullptr) {
      if (console_->stop().stop_requested()) {
        return absl::CancelledError("stopped");
      }
      console_->progress().AddOperations(ops.size());
    }
    return to_.Append(task, ops);
  }

 private:
  PackedTraceWriter& to_;
  Console* const console_;
};

}  // namespace

absl::Status PackSpool(const std::string& directory, const std::string& to,
                       Console* console) {
  const absl::StatusOr<SpoolHead> spool = ReadSpoolHead(directory);
  if (!spool.ok()) return spool.status();
  auto writer =
      PackedTraceWriter::Create(to, {.format_of_origin = spool->facts.format,
                                     .command = spool->facts.command,
                                     .environment = spool->facts.environment,
                                     .lacks = spool->facts.lacks,
                                     .faults_only = spool->facts.faults_only,
                                     .first_task = spool->first_task});
  if (!writer.ok()) return writer.status();
  if (console != nullptr) console->RemoveIfEnded((*writer)->unfinished_path());
  PackedSink sink(**writer, console);
  auto counts = ConvertSpool(directory, sink);
  if (!counts.ok()) return counts.status();
  return (*writer)->Finish(*std::move(counts));
}

}  // namespace xmmu::cli
