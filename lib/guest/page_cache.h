#ifndef XMMU_LIB_GUEST_PAGE_CACHE_H_
#define XMMU_LIB_GUEST_PAGE_CACHE_H_

// The page cache: files and shared objects, each with its pages that are in
// memory (Linux: struct address_space of an inode).
//
// An object lives as long as something refers to it: its name, a mapping, or a
// process that holds it open.
//
//              Named()                       Remove()
//   (none) -------------> named, in memory -----------> nameless --> (none)
//      |                                                   ^    last mapping or
//      +--------------------- MakeNameless() --------------+    holder is gone
//
// Single-threaded.

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "xmmu/base/address.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

class PageCache;

// One file or shared object.
class FileObject {
 public:
  FileObject(PageCache& cache, uint64_t identity, bool zero_filled,
             bool made_again = false)
      : cache_(cache),
        identity_(identity),
        zero_filled_(zero_filled),
        made_again_(made_again) {}
  ~FileObject();
  FileObject(const FileObject&) = delete;
  FileObject& operator=(const FileObject&) = delete;

  // A number that no other object of this kernel has, and that this one has
  // under every policy. A file that was never removed has its own number.
  uint64_t identity() const { return identity_; }
  // Whether its pages are zero when they are first used, and zeroing them is
  // paid for (mm/shmem.c). The others were read in at no charge.
  bool zero_filled() const { return zero_filled_; }
  // Whether another file had its name before, which may be in memory still.
  bool made_again() const { return made_again_; }

  // Its pages in memory, by their number, with one reference each.
  absl::btree_map<uint64_t, Pfn> pages;
  // Its large pages (MAP_HUGETLB) by level and the number of the first 4 KiB,
  // with one mapping of the whole each.
  absl::btree_map<std::pair<int, uint64_t>, Pfn> large_pages;

 private:
  friend class PageCache;

  PageCache& cache_;
  const uint64_t identity_;
  const bool zero_filled_;
  const bool made_again_;
  // When pages were last mapped, of those that may be reclaimed; kDirty of
  // those that no longer may. It is only looked up, never iterated, but when
  // the object goes.
  absl::flat_hash_map<uint64_t, uint64_t> ages_;
};

// A page of a file that is in memory.
struct CachedPage {
  FileObject* file = nullptr;
  uint64_t number = 0;
};

using FileRef = std::shared_ptr<FileObject>;

class PageCache {
 public:
  // Returns the object that has the name `file`, made if there is none. What it
  // is filled with is decided when it is made.
  FileRef Named(uint32_t file, bool zero_filled);
  // Makes an object without a name, whose pages are zero when they are first
  // used: number `sequence` of those that `task` has made.
  FileRef MakeNameless(TaskId task, uint32_t sequence);
  // Takes the name `file` from the object that has it, if there is one. If it
  // `renews` the next object of that name has another identity.
  void Remove(uint32_t file, bool renews = true);

  // Returns the pages of objects that are gone since the last call; their
  // references are the caller's.
  std::vector<Pfn> TakeDropped();

  // The same of large pages.
  std::vector<Pfn> TakeDroppedBlocks();

  // --- Pages that may be reclaimed, in the order in which they were last
  // mapped. Touch() notes that a page is mapped; all files' pages are touched,
  // or none if nothing is reclaimed.
  void Touch(FileObject& file, uint64_t number);
  // The page has been written to, and stays.
  void KeepDirty(FileObject& file, uint64_t number);
  size_t reclaimable() const { return by_age_.size(); }
  // REQUIRES: there is one.
  CachedPage Oldest() const { return by_age_.begin()->second; }
  // Forgets a page, whose reference becomes the caller's.
  void Drop(FileObject& file, uint64_t number);

 private:
  friend class FileObject;
  static constexpr uint64_t kDirty = 0;

  // Objects refer to this when they go, so it is destroyed after `named_`.
  std::vector<Pfn> dropped_;
  std::vector<Pfn> dropped_blocks_;
  uint64_t last_age_ = kDirty;
  absl::btree_map<uint64_t, CachedPage> by_age_;
  // The next two are only looked up, never iterated.
  absl::flat_hash_map<uint32_t, FileRef> named_;
  absl::flat_hash_map<uint32_t, uint64_t> removals_;  // how many, by name
};

// What a process holds open (Linux: files_struct), by the number under which
// the workload names it.
class OpenFiles {
 public:
  void Open(uint32_t file, FileRef object);
  // Gives up what was opened first under that number, if anything was.
  void Close(uint32_t file);
  // Returns what was opened last under that number, or nullptr.
  FileRef Find(uint32_t file) const;

 private:
  absl::btree_map<uint32_t, std::vector<FileRef>> open_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_PAGE_CACHE_H_
