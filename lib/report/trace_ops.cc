// Operations of a trace, a line each.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "report/trace_records.h"
#include "report/trace_report.h"
#include "workload/inspect/op_names.h"

namespace xmmu {
namespace {

std::string HexText(uint64_t number) {
  return absl::StrCat("0x", absl::Hex(number));
}

// What the kinds of operations name; others are absent.
constexpr FieldOf<NumberedOp> kOpFields[] = {
    {1, "number", "", "operations before it",
     [](const NumberedOp& o) { return o.number; }},
    {1, "task", "", "number of the task",
     [](const NumberedOp& o) { return o.task; }},
    {1, "operation", "", "kind of operation",
     [](const NumberedOp& o) { return OpKindName(o.op.kind); }},
    {1, "va", "", "first address, hexadecimal",
     [](const NumberedOp& o) -> Value {
       if (o.op.va == VirtAddr{} && o.op.length == 0) return Absent();
       return AsValue(HexText(o.op.va.value()));
     }},
    {1, "length", "bytes", "bytes from there on; of await points",
     [](const NumberedOp& o) -> Value {
       return o.op.length == 0 ? Absent() : AsValue(o.op.length);
     }},
    {1, "rights", "", "rights of a mapping",
     [](const NumberedOp& o) -> Value {
       const bool has =
           o.op.kind == GuestOpKind::kMap || o.op.kind == GuestOpKind::kProtect;
       return has ? AsValue(RightsText(o.op.rights)) : Absent();
     }},
    {1, "backing", "", "where the pages of a mapping come from",
     [](const NumberedOp& o) -> Value {
       return o.op.kind == GuestOpKind::kMap
                  ? AsValue(BackingName(o.op.backing))
                  : Absent();
     }},
    {1, "file", "", "number of the file or object",
     [](const NumberedOp& o) -> Value {
       return o.op.file == 0 ? Absent() : AsValue(o.op.file);
     }},
    {1, "file_offset", "bytes", "of a mapping's start in its file",
     [](const NumberedOp& o) -> Value {
       return o.op.file == 0 || o.op.kind != GuestOpKind::kMap
                  ? Absent()
                  : AsValue(o.op.file_offset);
     }},
    {1, "child", "", "the task that is started or waited for",
     [](const NumberedOp& o) -> Value {
       return o.op.child == 0 ? Absent() : AsValue(o.op.child);
     }},
    {1, "call_goes_on", "", "whether the next one is of the same system call",
     [](const NumberedOp& o) {
       return o.op.kind > GuestOpKind::kModify &&
              (o.op.flags & kCallGoesOn) != 0;
     }},
    {1, "words", "", "the operation in words",
     [](const NumberedOp& o) { return OpWords(o.op); }},
};

std::span<const FieldOf<NumberedOp>> OpFields() { return kOpFields; }

std::string OpLines(std::span<const NumberedOp> ops) {
  TextTable table(0);
  std::string text;
  std::vector<std::string> words;
  table.Add({"number", "task"});
  for (const NumberedOp& op : ops) {
    table.Add({IsCounted(op.op.kind) ? absl::StrCat(op.number) : "",
               absl::StrCat(op.task)});
  }
  // Words are behind columns of numbers, and not aligned.
  const std::string columns = table.Format();
  size_t begin = 0;
  for (size_t i = 0; i <= ops.size(); ++i) {
    const size_t end = columns.find('\n', begin);
    absl::StrAppend(&text, columns.substr(begin, end - begin), "  ");
    begin = end + 1;
    if (i == 0) {
      text += "operation\n";
      continue;
    }
    const GuestOp& op = ops[i - 1].op;
    const std::string name(OpKindName(op.kind));
    const bool goes_on =
        op.kind > GuestOpKind::kModify && (op.flags & kCallGoesOn) != 0;
    std::string line = absl::StrCat(
        name, std::string(name.size() < 8 ? 9 - name.size() : 1, ' '),
        OpWords(op), goes_on ? ", the call goes on" : "");
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace

Document TraceOpsDocument(std::span<const NumberedOp> ops) {
  Document document;
  document.text = {OpLines(ops)};
  document.table = TableOf(OpFields(), ops);
  std::vector<Record> records;
  for (const NumberedOp& op : ops) {
    records.push_back(RecordOf(OpFields(), 1, op));
  }
  document.data = std::move(records);
  TermGroup columns{"columns",
                    {{"number", "",
                      "operations before it; of post and await, "
                      "which are not counted, none"},
                     {"task", "", "number of the task"}}};
  TermGroup kinds{"operations", {}};
  for (const OpKindRow& row : OpKindRows()) {
    kinds.terms.push_back({std::string(row.name), "", std::string(row.help)});
  }
  document.legend = {std::move(columns), std::move(kinds)};
  return document;
}

}  // namespace xmmu
