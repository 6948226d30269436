#include "workload/inspect/op_words.h"

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "workload/inspect/op_names.h"
#include "workload/inspect/stream_merger.h"

namespace xmmu {
namespace {

std::string HexWord(uint64_t number) {
  return absl::StrCat("0x", absl::Hex(number));
}

std::string RangeWords(const GuestOp& op) {
  return absl::StrCat(HexWord(op.va.value()), " to ",
                      HexWord(op.va.value() + op.length));
}

std::string MapFlagWords(const GuestOp& op) {
  std::string text;
  if (op.page_shift != 0) {
    absl::StrAppend(&text, ", pages of 2^", static_cast<int>(op.page_shift),
                    " bytes");
  }
  struct {
    uint8_t flag;
    const char* word;
  } constexpr kWords[] = {{kMapPopulate, ", populated"},
                          {kMapLocked, ", locked"},
                          {kMapLockOnFault, ", locked on fault"},
                          {kMapZeroFilled, ", zero-filled"},
                          {kMapOnePageFaults, ", a page a fault"}};
  for (const auto& [flag, word] : kWords) {
    if ((op.flags & flag) != 0) text += word;
  }
  return text;
}

std::string MapWords(const GuestOp& op) {
  std::string text = absl::StrCat(RangeWords(op), ", ", RightsText(op.rights),
                                  ", ", Abs(BackingName(op.backing)));
  if (op.file != 0) {
    absl::StrAppend(&text, " ", op.file, " at ", HexWord(op.file_offset));
  }
  return text + MapFlagWords(op);
}

std::string RemapWords(const GuestOp& op) {
  const uint64_t to = op.target.value();
  return absl::StrCat(op.length == 0
                          ? absl::StrCat("what is at ", HexWord(op.va.value()))
                          : RangeWords(op),
                      op.length == 0 ? ", mapped once more: " : " becomes ",
                      HexWord(to), " to ", HexWord(to + op.new_length));
}

std::string AwaitWords(const GuestOp& op) {
  return absl::StrCat("point ", op.length, " of task ", op.child);
}

}  // namespace

std::string OpWords(const GuestOp& op) {
  switch (op.kind) {
    case GuestOpKind::kFetch:
    case GuestOpKind::kLoad:
    case GuestOpKind::kStore:
    case GuestOpKind::kModify:
    case GuestOpKind::kCopyIn:
    case GuestOpKind::kCopyOut:
      return absl::StrCat(op.length,
                          op.length == 1 ? " byte at " : " bytes at ",
                          HexWord(op.va.value()));
    case GuestOpKind::kMap:
      return MapWords(op);
    case GuestOpKind::kUnmap:
    case GuestOpKind::kDiscard:
      return RangeWords(op);
    case GuestOpKind::kProtect:
      return absl::StrCat(RangeWords(op), ", ", RightsText(op.rights));
    case GuestOpKind::kRemap:
      return RemapWords(op);
    case GuestOpKind::kAdvise:
      return absl::StrCat(op.length == 0 ? "all mappings" : RangeWords(op),
                          ", ", Abs(AdviceName(op.advice)));
    case GuestOpKind::kOpenFile:
    case GuestOpKind::kCloseFile:
    case GuestOpKind::kRemoveFile:
      return absl::StrCat("file ", op.file, MapFlagWords(op));
    case GuestOpKind::kFork:
    case GuestOpKind::kVfork:
      return absl::StrCat("task ", op.child);
    case GuestOpKind::kClone:
      return absl::StrCat("task ", op.child, ", a thread");
    case GuestOpKind::kExec:
      return op.length == 0 ? ""
                            : absl::StrCat("arguments at ", RangeWords(op));
    case GuestOpKind::kWait:
      return op.child == 0 ? "for any child" : absl::StrCat("for ", op.child);
    case GuestOpKind::kAwait:
      return AwaitWords(op);
    case GuestOpKind::kYield:
    case GuestOpKind::kSyscall:
    case GuestOpKind::kExit:
    case GuestOpKind::kPost:
      return "";
  }
  return "";
}

absl::StatusOr<std::vector<NumberedOp>> TakeOps(Workload& workload,
                                                const OpRange& range) {
  std::vector<NumberedOp> taken;
  StreamMerger merger(workload);
  uint64_t number = 0;
  while (taken.size() < range.count) {
    const auto piece = merger.Next();
    if (!piece.ok()) return piece.status();
    if (piece->ops.empty()) break;
    const bool wanted = range.task == 0 || range.task == piece->task;
    for (const GuestOp& op : piece->ops) {
      if (wanted && number >= range.from) {
        if (taken.size() == range.count) break;
        taken.push_back({number, piece->task, op});
      }
      if (IsCounted(op.kind)) ++number;
    }
  }
  return taken;
}

}  // namespace xmmu
