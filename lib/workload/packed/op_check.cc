#include "workload/packed/op_check.h"

#include "workload/packed/layout.h"

namespace xmmu {

uint32_t FieldsOf(GuestOpKind kind) {
  switch (kind) {
    case GuestOpKind::kMap:
      return kHasRange | kHasRights | kHasBacking | kHasPageShift | kHasFile |
             kHasOffset;
    case GuestOpKind::kProtect:
      return kHasRange | kHasRights;
    case GuestOpKind::kRemap:
      return kHasRange | kHasTarget;
    case GuestOpKind::kAdvise:
      return kHasRange | kHasAdvice;
    case GuestOpKind::kFetch:
    case GuestOpKind::kLoad:
    case GuestOpKind::kStore:
    case GuestOpKind::kModify:
    case GuestOpKind::kUnmap:
    case GuestOpKind::kDiscard:
    case GuestOpKind::kCopyIn:
    case GuestOpKind::kCopyOut:
    case GuestOpKind::kExec:
      return kHasRange;
    case GuestOpKind::kOpenFile:
    case GuestOpKind::kCloseFile:
    case GuestOpKind::kRemoveFile:
      return kHasFile;
    case GuestOpKind::kFork:
    case GuestOpKind::kVfork:
    case GuestOpKind::kClone:
    case GuestOpKind::kWait:
      return kHasChild;
    case GuestOpKind::kAwait:
      return kHasChild | kHasLength;
    case GuestOpKind::kYield:
    case GuestOpKind::kSyscall:
    case GuestOpKind::kExit:
    case GuestOpKind::kPost:
      return 0;
  }
  return 0;
}

namespace {

bool HasOnly(const GuestOp& op, uint32_t fields) {
  const auto lacks = [fields](uint32_t field) { return (fields & field) == 0; };
  if (lacks(kHasRange) && op.va.value() != 0) return false;
  if (lacks(kHasRange | kHasLength) && op.length != 0) return false;
  if (lacks(kHasRights) && op.rights != 0) return false;
  if (lacks(kHasBacking) && op.backing != Backing::kAnonymous) return false;
  if (lacks(kHasPageShift) && op.page_shift != 0) return false;
  if (lacks(kHasAdvice) && op.advice != Advice::kHugePage) return false;
  if (lacks(kHasTarget) && (op.target.value() | op.new_length) != 0) {
    return false;
  }
  if (lacks(kHasChild) && op.child != 0) return false;
  if (lacks(kHasFile) && op.file != 0) return false;
  return !lacks(kHasOffset) || op.file_offset == 0;
}

constexpr uint8_t kEveryRight = kMapRead | kMapWrite | kMapExecute;
constexpr uint8_t kAllMapFlags = kMapPopulate | kMapLocked | kMapLockOnFault |
                                 kMapZeroFilled | kMapOnePageFaults |
                                 kCallGoesOn;

const char* WrongInCall(const GuestOp& op) {
  if (!HasOnly(op, FieldsOf(op.kind))) {
    return "a field that an operation of its kind does not have";
  }
  const uint8_t flags = op.kind == GuestOpKind::kMap ? kAllMapFlags
                        : op.kind == GuestOpKind::kOpenFile
                            ? kMapZeroFilled | kCallGoesOn
                            : kCallGoesOn;
  if ((op.flags & ~flags) != 0) return "a flag that there is not";
  if ((op.rights & ~kEveryRight) != 0) return "a right that there is not";
  if (op.backing > Backing::kSharedAnonymous) {
    return "a backing that there is not";
  }
  if (op.advice > Advice::kUnlock) return "an advice that there is not";
  if (op.page_shift > 63) return "a size of pages that there is not";
  return nullptr;
}

}  // namespace

const char* WrongInOp(const GuestOp& op) {
  if (op.kind > GuestOpKind::kAwait) return "an operation of an unknown kind";
  if (!IsAccess(op.kind)) return WrongInCall(op);
  if (op.length == 0 || op.length > kLongestPackedAccess) {
    return "an access of no bytes, or of more than 65535";
  }
  if (op.flags != 0 || !HasOnly(op, kHasRange)) {
    return "an access with more than an address and a length";
  }
  return nullptr;
}

}  // namespace xmmu
