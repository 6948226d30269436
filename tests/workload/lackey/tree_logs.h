#ifndef XMMU_TESTS_WORKLOAD_LACKEY_TREE_LOGS_H_
#define XMMU_TESTS_WORKLOAD_LACKEY_TREE_LOGS_H_

// Makes Lackey logs of random process trees: programs that fork, vfork, exec,
// map, unmap, protect, move, grow, discard, share and access memory. Each call
// succeeds or fails as it would on Linux: the maker keeps, a page at a time,
// what each process has mapped.
//
// On request one record in one log says that a call succeeded although Linux
// refuses it.

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "xmmu/workload/workload.h"

namespace xmmu {

// The source of the choices: a seed, or a fuzzer's bytes followed by zeros.
class Choices {
 public:
  explicit Choices(uint64_t seed) : random_(seed) {}
  explicit Choices(std::span<const uint8_t> bytes)
      : from_bytes_(true), bytes_(bytes) {}

  // Returns a number below `limit`, which is not 0.
  uint64_t Below(uint64_t limit);
  bool OneIn(uint64_t n) { return Below(n) == n - 1; }

 private:
  std::mt19937_64 random_;
  bool from_bytes_ = false;
  std::span<const uint8_t> bytes_;
};

struct TreeLogs {
  struct Log {
    std::string name;
    std::string text;
  };
  std::vector<Log> logs;  // the first process's comes first
  // The impossible record.
  struct Impossible {
    size_t log = 0;
    uint64_t line = 0;
    std::string what;
  };
  std::optional<Impossible> impossible;
};

TreeLogs MakeTreeLogs(Choices& choices, bool with_impossible);

// One process of a tree, writing its log.
class TreeProcess {
 public:
  // What is mapped at one page.
  struct Page {
    uint8_t rights = 0;
    Backing backing = Backing::kAnonymous;
    uint32_t object = 0;  // file, segment or shared object; 0: none
    uint64_t object_page = 0;
    bool never_writable = false;
    int advice = 0;  // the last one that Linux keeps with a mapping
    bool locked = false;

    bool shared() const {
      return backing == Backing::kFileShared ||
             backing == Backing::kSharedAnonymous;
    }
  };
  struct Pages {  // by number
    uint64_t first = 0;
    uint64_t count = 0;
    uint64_t end() const { return first + count; }
  };

  TreeProcess(uint32_t pid, Choices& choices) : pid_(pid), choices_(choices) {}
  // A fork's child, which is a copy of `parent`.
  TreeProcess(uint32_t pid, const TreeProcess& parent);

  const std::string& text() const { return text_; }
  uint64_t lines() const;

  // Does one thing that any process may do.
  void Step();
  void Exec();
  void Fork(uint32_t child, bool vfork);
  void Wait(uint32_t child);
  void End();
  // Writes an impossible record, and returns what is impossible about it.
  std::string Impossible();

 private:
  void Line(const std::string& line) { text_ += line + "\n"; }
  void Call(int number, const std::string& call, uint64_t result);

  // tree_steps.cc
  void Access();
  void ImageAccess();
  void AccessAt(uint64_t va, uint64_t length);
  void Open();
  void Mmap();
  void Munmap();
  void Mprotect();
  void Mremap();
  void MoveTo(const Pages& from, const Pages& to, bool keeps_old);
  void Brk();
  void Shmat();
  void Shmdt();
  // tree_calls.cc
  void Copy();
  void Madvise();
  void Memfd();
  void Unlink();
  void Lock();

  Pages AnyPages(uint64_t most);
  std::optional<Pages> FreePages(uint64_t count);
  // Picks mapped pages; with `one_mapping` those of one mapping to Linux.
  std::optional<Pages> MappedPages(uint64_t most, bool one_mapping);
  bool Continues(uint64_t page) const;  // into the next page
  bool IsFree(const Pages& pages) const;
  void Clear(const Pages& pages);
  void Fill(const Pages& pages, Page page);
  uint8_t AnyRights();
  void WriteMmap(const Pages& pages, unsigned rights, unsigned flags,
                 uint64_t descriptor, uint64_t offset);
  void WriteMremap(const Pages& from, const Pages& to, unsigned flags);

  // tree_impossible.cc
  std::string ImpossibleRange();
  std::string ImpossibleMapping(const Pages& mapped);
  std::string ImpossibleRemap(const Pages& mapped);
  // Return a mapped page with nothing behind it, and one that the next page
  // does not continue.
  std::optional<uint64_t> LastOfMapped() const;
  std::optional<uint64_t> LastOfOne() const;

  struct Descriptor {
    uint32_t file = 0;
    bool close_on_exec = false;
    bool named = true;  // by a path
  };

  uint32_t pid_;
  Choices& choices_;
  std::string text_;
  std::map<uint64_t, Page> pages_;
  std::map<uint64_t, Descriptor> descriptors_;
  std::map<uint64_t, Pages> attached_;     // address of a segment -> its pages
  std::map<uint64_t, uint64_t> segments_;  // identifier -> pages
  std::map<uint64_t, uint32_t> files_;     // file's number -> its identity
  uint64_t brk_ = 0;
  uint32_t objects_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_WORKLOAD_LACKEY_TREE_LOGS_H_
