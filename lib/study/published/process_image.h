#ifndef XMMU_LIB_STUDY_PUBLISHED_PROCESS_IMAGE_H_
#define XMMU_LIB_STUDY_PUBLISHED_PROCESS_IMAGE_H_

// Which pages programs touch that do next to nothing: start, find their
// libraries, and end.
//
// Counted from Valgrind logs (examples/record.sh) on Debian 12 with glibc 2.36,
// 64-bit, of a program that forks once, of one that writes one line, and of
// bash given that one to run, which it does without another fork. That RedHat
// 7.2's of glibc 2.2 touch as many is assumed.
//
// Single-threaded.

#include <array>
#include <cstdint>

#include "xmmu/sim/guest_driver.h"

namespace xmmu {

// A file mapped as programs and libraries are: text, then private data.
struct ImagePart {
  VirtAddr start;
  uint32_t file;
  uint64_t text_pages;  // fetched from
  uint64_t data_pages;  // written to
};

struct ProcessImage {
  std::array<ImagePart, 3> parts;  // program, linker, libc
  uint64_t stack_pages;            // written to
  // Counts calls from exec to exit, mmap and its kin included.
  uint64_t system_calls;

  uint64_t text_pages() const;
  // The stack's pages are included.
  uint64_t written_pages() const;
};

// How many pages of each part of an image are touched once more.
struct ImageTouches {
  std::array<uint64_t, 3> text;
  std::array<uint64_t, 3> data;
  uint64_t stack;
};

// The program that forks, and the one that writes a line.
extern const ProcessImage kSmallProgram;
extern const ProcessImage kBash;
// These pages are touched after fork: by a child that exits; by one that goes
// on to exec; by the parent on its way to wait.
extern const ImageTouches kExitingChild;
extern const ImageTouches kExecingChild;
extern const ImageTouches kWaitingParent;

// The process that acts maps `image` and touches all of it, as it does from
// exec to the end of its work. What the kernel maps at exec is mapped by system
// calls here.
void RunImage(GuestDriver& guest, const ProcessImage& image);
// The process that acts touches pages of `image` again.
void Touch(GuestDriver& guest, const ProcessImage& image,
           const ImageTouches& touches);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_PUBLISHED_PROCESS_IMAGE_H_
