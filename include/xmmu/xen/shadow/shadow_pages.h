#ifndef XMMU_XEN_SHADOW_SHADOW_PAGES_H_
#define XMMU_XEN_SHADOW_SHADOW_PAGES_H_

// The shadow tables of one domain: a fixed pool of frames of the hypervisor's,
// which of them shadows which guest table, how often each is linked, and which
// was used least recently; and the guest frames that are tables by being
// shadowed (Xen 3.0.3: the shadow hash, shadow_page_info, the toplevel list).
// Shadow paging stands on it, and so does the log of a paravirtual domain's
// writes, whose guest frame numbers are machine frames.
//
// A guest table may have several shadows: parts of it in another format, or
// because it is used at several levels. A splinter shadows no table: it is the
// 4 KiB entries that a large page of the guest is split into (Xen: fl1_shadow),
// shared by whatever entries map that range.
//
// It is only storage: xmmu/xen/shadow/shadow_paging.h makes and fills shadows.
// Charges nothing. No result depends on the order of a hash. Single-threaded.

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "xmmu/base/internal/sparse_array.h"
#include "xmmu/machine/pte.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/shadow/shadow_shape.h"

namespace xmmu {

class ShadowIndex;

// A shadow by its place in the pool.
using ShadowId = uint32_t;
inline constexpr ShadowId kNoShadow = ~ShadowId{0};

// Names what a shadow shadows.
struct ShadowKey {
  Gfn gfn;  // the guest table; of a splinter, the first frame of its range
  uint8_t level = 0;
  uint8_t part = 0;
  bool splinter = false;  // `gfn` is the first frame of a split large page

  bool operator==(const ShadowKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H state, const ShadowKey& key) {
    return H::combine(std::move(state), key.gfn, key.level, key.part,
                      key.splinter);
  }
};

struct ShadowSlot {
  ShadowId page = kNoShadow;
  int index = 0;
};

struct ShadowPage {
  bool in_use = false;
  ShadowKey key;
  Mfn mfn;            // the frame, which stays the shadow's for ever
  uint32_t refs = 0;  // entries of other shadows, and roots, that lead to it
  uint32_t pins = 0;  // roots among them that must not be recycled
  // The TLB clock when the shadow was last given up.
  uint32_t tlbflush_timestamp = 0;
  ShadowId newer = kNoShadow;  // its neighbours in the order of last use
  ShadowId older = kNoShadow;
};

// A guest frame that is a table.
struct GuestTable {
  std::vector<ShadowId> shadows;  // in the order in which they were made
  // The guest may write to it for now (xmmu/xen/shadow/shadow_paging.h).
  bool out_of_sync = false;
  uint64_t turn = 0;  // its place among those out of sync
};

class ShadowPages {
 public:
  // Takes `count` frames of the hypervisor's. `host` outlives it.
  ShadowPages(Host& host, PagingMode mode, uint32_t count);
  ~ShadowPages();
  ShadowPages(const ShadowPages&) = delete;
  ShadowPages& operator=(const ShadowPages&) = delete;

  uint32_t count() const { return static_cast<uint32_t>(pool_.size()); }
  // The frames of all shadows, used or not, in their order.
  const FrameRuns& pool() const { return pool_; }
  // One past the last shadow that was ever in use: those from it on take no
  // host memory yet.
  uint32_t made() const { return static_cast<uint32_t>(pages_.size()); }
  uint32_t in_use() const { return in_use_; }
  uint32_t peak_in_use() const { return peak_in_use_; }
  bool full() const { return free_.empty() && made() == count(); }
  const ShadowPage& operator[](ShadowId id) const { return pages_[id]; }
  ShadowPage& operator[](ShadowId id) { return pages_[id]; }

  // The shadow of `key`, or the shadow whose frame is `mfn`, in use or not by
  // now; kNoShadow if there is none.
  ShadowId Find(const ShadowKey& key) const;
  ShadowId FindFrame(Mfn mfn) const { return by_frame_.Get(mfn.value()) - 1; }

  // Takes a shadow for `key` from the pool, zeroes its frame and makes it the
  // most recently used. The one given back last is taken first; its
  // tlbflush_timestamp still is that of its last use. REQUIRES: !full(), there
  // is none of that key.
  ShadowId Take(const ShadowKey& key);
  // Gives `id` back to the pool. REQUIRES: it is in use, and has no refs.
  void Release(ShadowId id);
  // Makes `id` the most recently used.
  void Touch(ShadowId id);

  // The shadow least recently used, and the next more recent one after `id`;
  // kNoShadow at the end.
  ShadowId oldest() const { return oldest_; }
  ShadowId NewerThan(ShadowId id) const { return pages_[id].newer; }

  // The present entries of all shadows that name the frame `mfn`, by shadow and
  // then by index; what each means is for the caller to find. The first call
  // looks at all entries, others only at what they return.
  std::vector<ShadowSlot> EntriesTo(Mfn mfn) const;
  // How many shadows of `level` are in use, splinters being of level 1; and how
  // many of those that come before `id` in the pool.
  uint32_t InUse(int level) const;
  uint32_t InUseBelow(int level, ShadowId id) const;
  // What these three go by (xen/shadow/shadow_index.h), for tests; nullptr
  // before the first call of one.
  const ShadowIndex* index() const { return index_.get(); }

  MachineAddr AddressOfSlot(const ShadowSlot& slot) const {
    return EntryAddress(mode_, AddressOf(pages_[slot.page].mfn), slot.index);
  }
  Pte Read(const ShadowSlot& slot) const {
    return Pte(
        host_.memory().ReadEntry(AddressOfSlot(slot), EntryBytes(mode_)));
  }
  void Write(const ShadowSlot& slot, Pte entry);

  // The guest table in `gfn`; nullptr if the frame is not shadowed.
  GuestTable* FindTable(Gfn gfn) {
    const uint32_t place = table_at_.Get(gfn.value());
    return place == 0 ? nullptr : &tables_[place - 1];
  }
  const GuestTable* FindTable(Gfn gfn) const {
    return const_cast<ShadowPages*>(this)->FindTable(gfn);
  }
  // Whether one of the frames of the large page that begins at `first` is a
  // table.
  bool AnyTableIn(Gfn first) const;

  // The highest level at which the table `gfn` is shadowed. REQUIRES: it is.
  int LevelOf(Gfn gfn) const;

  // The tables that are out of sync, in the order in which they went so.
  std::vector<Gfn> OutOfSync() const;
  // Those with a LevelOf() of `lowest` or more, from the highest level down; of
  // a level in that order.
  std::vector<Gfn> OutOfSyncFrom(int lowest) const;
  size_t OutOfSyncCount() const;
  // The one that has been so for longest. REQUIRES: there is one.
  Gfn FirstOutOfSync() const;
  // Whether there are any of OutOfSyncFrom(`lowest`).
  bool AnyOutOfSync(int lowest = 1) const;
  void SetOutOfSync(Gfn gfn, bool on);

  // Host bytes in use beside the frames.
  uint64_t host_bytes() const;

 private:
  // Shadows by their place. One keeps its address when others are added, and is
  // found by two loads, without the division that a std::deque needs.
  class Pages {
   public:
    size_t size() const { return size_; }
    ShadowPage& operator[](ShadowId id) {
      return (*chunks_[id / kChunk])[id % kChunk];
    }
    const ShadowPage& operator[](ShadowId id) const {
      return (*chunks_[id / kChunk])[id % kChunk];
    }
    ShadowPage& Add() {
      const size_t place = size_++;
      if (place % kChunk == 0) chunks_.push_back(std::make_unique<Chunk>());
      return (*chunks_.back())[place % kChunk];
    }

   private:
    static constexpr size_t kChunk = 64;
    using Chunk = std::array<ShadowPage, kChunk>;
    std::vector<std::unique_ptr<Chunk>> chunks_;
    size_t size_ = 0;
  };

  // Take a shadow out of the order of last use, and put it at its new end.
  void Unlink(ShadowId id);
  void PushNewest(ShadowId id);
  // How many tables the large page that contains `gfn` has.
  uint32_t& TablesNear(Gfn gfn);
  // The table in `gfn`, which becomes one if it is none; and makes it none.
  GuestTable& MakeTable(Gfn gfn);
  void DropTable(Gfn gfn);
  int LevelOf(const GuestTable& table) const;
  // Lets `table`, if it is out of sync, be listed by the level that it has by
  // now; before it had `level`.
  void Relist(Gfn gfn, const GuestTable& table, int level);
  // The index, made of all that there is at the first call.
  ShadowIndex& Index() const;

  Host& host_;
  const PagingMode mode_;
  const int large_shift_;       // log2 of the frames of a large page
  const FrameRuns pool_;        // the frames, by shadow
  Pages pages_;                 // by shadow, as far as they were in use
  std::vector<ShadowId> free_;  // of those; the last one goes first
  uint32_t in_use_ = 0;
  uint32_t peak_in_use_ = 0;
  ShadowId newest_ = kNoShadow;
  ShadowId oldest_ = kNoShadow;
  // The place in the pool of each frame of it, plus one.
  SparseArray<ShadowId> by_frame_;
  // The guest's tables, and by their frame where they are, plus one. Any other
  // shadow is found by the table that it shadows.
  std::deque<GuestTable> tables_;
  std::vector<uint32_t> free_tables_;
  SparseArray<uint32_t, 5> table_at_;             // few frames are tables
  absl::flat_hash_map<Gfn, ShadowId> splinters_;  // only looked up
  SparseArray<uint32_t> tables_near_;  // by large page of guest memory
  // The tables out of sync, by level and by turn.
  std::array<absl::btree_map<uint64_t, Gfn>, 6> out_of_sync_;
  uint64_t turns_ = 0;
  // Strategies that never search have none.
  mutable std::unique_ptr<ShadowIndex> index_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_SHADOW_SHADOW_PAGES_H_
