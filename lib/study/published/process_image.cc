#include "study/published/process_image.h"

namespace xmmu {
namespace {

// Where 32-bit Linux put programs, libraries and stacks. Linker and libraries
// share an L1 table, as they did.
constexpr VirtAddr kProgram{0x08048000};
constexpr VirtAddr kLinker{0x40000000};
constexpr VirtAddr kLibc{0x40080000};
constexpr VirtAddr kStackTop{0xbfffe000};

constexpr uint32_t kSmallFile = 1;
constexpr uint32_t kBashFile = 2;
constexpr uint32_t kLinkerFile = 3;
constexpr uint32_t kLibcFile = 4;
constexpr uint32_t kTerminalFile = 5;

VirtAddr DataOf(const ImagePart& part) {
  return part.start + part.text_pages * kPageSize;
}

void AccessPages(GuestDriver& guest, GuestOpKind kind, VirtAddr start,
                 uint64_t pages) {
  for (uint64_t i = 0; i < pages; ++i) {
    guest.Perform({.kind = kind, .va = start + i * kPageSize, .length = 4});
  }
}

void MapPart(GuestDriver& guest, const ImagePart& part) {
  guest.Perform({.kind = GuestOpKind::kMap,
                 .rights = kMapRead | kMapExecute,
                 .backing = Backing::kFilePrivate,
                 .va = part.start,
                 .length = part.text_pages * kPageSize,
                 .file = part.file});
  guest.Perform({.kind = GuestOpKind::kMap,
                 .rights = kMapRead | kMapWrite,
                 .backing = Backing::kFilePrivate,
                 .va = DataOf(part),
                 .length = part.data_pages * kPageSize,
                 .file = part.file,
                 .file_offset = part.text_pages * kPageSize});
}

VirtAddr StackOf(uint64_t pages) { return kStackTop - pages * kPageSize; }

}  // namespace

const ProcessImage kSmallProgram = {{{{kProgram, kSmallFile, 3, 2},
                                      {kLinker, kLinkerFile, 40, 4},
                                      {kLibc, kLibcFile, 72, 17}}},
                                    3,
                                    50};
const ProcessImage kBash = {{{{kProgram, kBashFile, 134, 20},
                              {kLinker, kTerminalFile, 40, 20},
                              {kLibc, kLibcFile, 132, 22}}},
                            3,
                            111};
const ImageTouches kExitingChild = {{3, 12, 19}, {1, 2, 8}, 1};
const ImageTouches kExecingChild = {{3, 12, 20}, {1, 2, 2}, 1};
const ImageTouches kWaitingParent = {{1, 1, 1}, {1, 1, 0}, 1};

uint64_t ProcessImage::text_pages() const {
  uint64_t pages = 0;
  for (const ImagePart& part : parts) pages += part.text_pages;
  return pages;
}

uint64_t ProcessImage::written_pages() const {
  uint64_t pages = stack_pages;
  for (const ImagePart& part : parts) pages += part.data_pages;
  return pages;
}

void RunImage(GuestDriver& guest, const ProcessImage& image) {
  const VirtAddr stack = StackOf(image.stack_pages);
  guest.Perform({.kind = GuestOpKind::kMap,
                 .rights = kMapRead | kMapWrite,
                 .backing = Backing::kStack,
                 .va = stack,
                 .length = image.stack_pages * kPageSize});
  AccessPages(guest, GuestOpKind::kStore, stack, image.stack_pages);
  uint64_t calls = 1;
  for (const ImagePart& part : image.parts) {
    MapPart(guest, part);
    calls += 2;
    AccessPages(guest, GuestOpKind::kFetch, part.start, part.text_pages);
    AccessPages(guest, GuestOpKind::kStore, DataOf(part), part.data_pages);
  }
  for (; calls < image.system_calls; ++calls) guest.Syscall();
}

void Touch(GuestDriver& guest, const ProcessImage& image,
           const ImageTouches& touches) {
  for (size_t i = 0; i < image.parts.size(); ++i) {
    const ImagePart& part = image.parts[i];
    AccessPages(guest, GuestOpKind::kFetch, part.start, touches.text[i]);
    AccessPages(guest, GuestOpKind::kStore, DataOf(part), touches.data[i]);
  }
  AccessPages(guest, GuestOpKind::kStore, StackOf(image.stack_pages),
              touches.stack);
}

}  // namespace xmmu
