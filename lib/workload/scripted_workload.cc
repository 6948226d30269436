#include "workload/scripted_workload.h"

namespace xmmu {

std::span<const GuestOp> ScriptStream::Next() {
  batch_.clear();
  while (batch_.size() < kBatch && loop_ < script_.size()) Emit();
  if (loop_ == script_.size()) {
    batch_.push_back({.kind = GuestOpKind::kExit});
  }
  return batch_;
}

void ScriptStream::Emit() {
  const Loop& loop = script_[loop_];
  if (loop.steps.empty() || round_ == loop.times) {
    ++loop_;
    round_ = 0;
    return;
  }
  const Step& step = loop.steps[step_];
  if (repeat_ == step.count) {
    repeat_ = 0;
    if (++step_ == loop.steps.size()) {
      step_ = 0;
      ++round_;
    }
    return;
  }
  GuestOp op = step.op;
  op.va += repeat_ * step.stride;
  if (step.turns_lines) op.va += repeat_ * kLineBytes % kPageSize;
  ++repeat_;
  batch_.push_back(op);
}

}  // namespace xmmu
