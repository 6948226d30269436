#include "workload/packed/op_coder.h"

#include <utility>

namespace xmmu {

void OpEncoder::Add(const GuestOp& op) {
  bytes_.push_back(static_cast<char>(PackedNumberOf(op.kind)));
  PutVarint(&bytes_, ZigZag(op.va.value() - last_));
  PutVarint(&bytes_, op.length);
  last_ = op.va.value();
  ++operations_;
  if (IsAccess(op.kind)) return;
  PutVarint(&bytes_, op.rights);
  PutVarint(&bytes_, static_cast<uint64_t>(op.backing));
  PutVarint(&bytes_, op.flags);
  PutVarint(&bytes_, op.page_shift);
  PutVarint(&bytes_, static_cast<uint64_t>(op.advice));
  PutVarint(&bytes_, op.target.value());
  PutVarint(&bytes_, op.new_length);
  PutVarint(&bytes_, op.child);
  PutVarint(&bytes_, op.file);
  PutVarint(&bytes_, op.file_offset);
}

absl::string_view OpEncoder::Finish() { return bytes_; }

void OpEncoder::Clear() {
  bytes_.clear();
  last_ = 0;
  operations_ = 0;
}

const char* OpDecoder::Begin(std::string bytes) {
  bytes_ = std::move(bytes);
  cursor_ = ByteCursor(bytes_);
  last_ = 0;
  return nullptr;
}

const char* OpDecoder::Read(size_t count, std::vector<GuestOp>* ops) {
  for (size_t i = 0; i < count; ++i) {
    const uint8_t kind = cursor_.Byte();
    if (kind >= kPackedKinds.size()) return "an operation of an unknown kind";
    GuestOp& op = ops->emplace_back();
    op.kind = kPackedKinds[kind];
    last_ += UnZigZag(cursor_.Varint());
    op.va = VirtAddr(last_);
    op.length = cursor_.Varint();
    if (!IsAccess(op.kind)) {
      op.rights = static_cast<uint8_t>(cursor_.Varint());
      op.backing = static_cast<Backing>(cursor_.Varint());
      op.flags = static_cast<uint8_t>(cursor_.Varint());
      op.page_shift = static_cast<uint8_t>(cursor_.Varint());
      op.advice = static_cast<Advice>(cursor_.Varint());
      op.target = VirtAddr(cursor_.Varint());
      op.new_length = cursor_.Varint();
      op.child = static_cast<TaskId>(cursor_.Varint());
      op.file = static_cast<uint32_t>(cursor_.Varint());
      op.file_offset = cursor_.Varint();
    }
    if (cursor_.failed()) return "an operation that is cut off";
  }
  return nullptr;
}

}  // namespace xmmu
