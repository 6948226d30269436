#ifndef XMMU_TESTS_WORKLOAD_QEMU_RANDOM_THREADS_H_
#define XMMU_TESTS_WORKLOAD_QEMU_RANDOM_THREADS_H_

// Recordings of threads at random.

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "workload/qemu/spool_support.h"
#include "workload/qemu/thread_calls.h"

namespace xmmu::spool_support {

// A program of several threads that run on a kernel: it maps where nothing is,
// and its accesses are to what is mapped.
class RandomThreads {
 public:
  RandomThreads(uint64_t seed, ThreadWords first) : random_(seed) {
    threads_.push_back({std::move(first), 7});
  }

  // Returns the thread files.
  std::vector<ThreadWords> Run(int steps) {
    for (int step = 0; step < steps; ++step) Step(threads_[Below(Count())]);
    for (Thread& thread : threads_) {
      if (thread.call != Call::kNone) Return(thread);
    }
    std::vector<ThreadWords> files;
    for (Thread& thread : threads_) files.push_back(std::move(thread.words));
    return files;
  }

 private:
  enum class Call { kNone, kMap, kUnmap, kMove, kDiscard, kProtect, kThread };
  struct Thread {
    ThreadWords words;
    uint64_t tid;
    uint64_t clock = 1;  // the last that it has written
    Call call = Call::kNone;
    bool done = false;  // the kernel has done what it was asked
    bool ended = false;
    uint64_t place = 0;                  // of the call
    std::optional<uint64_t> other = {};  // which it gets; none: it fails
  };
  enum class Page { kFree, kTaken, kUsable, kReadable };

  uint64_t Count() const { return threads_.size(); }
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  uint64_t AddressOf(uint64_t place) const { return kPlace + place * 0x2000; }

  void Step(Thread& thread) {
    if (thread.ended) return;
    if (thread.call != Call::kNone) {
      if (!thread.done) {
        Act(thread);
      } else {
        Return(thread);
      }
      return;
    }
    switch (Below(8)) {
      case 0:
      case 1:
        Begin(thread, Call::kMap, 0);
        break;
      case 2: {
        // No two calls are about one mapping at once.
        const auto place = Some();
        if (!place.has_value() || busy_.count(*place) != 0) break;
        const Call calls[] = {Call::kUnmap, Call::kUnmap, Call::kMove,
                              Call::kDiscard, Call::kProtect};
        Begin(thread, calls[Below(5)], *place);
        break;
      }
      case 3:
        if (Count() < 5 && Below(4) == 0) {
          Begin(thread, Call::kThread, 0);
        } else if (thread.tid != 7 && Below(20) == 0) {
          thread.words.Call(kExit, ++clock_, {}).Exit(thread.tid);
          thread.ended = true;
        }
        break;
      default:
        Access(thread);
        break;
    }
  }

  void See(Thread& thread) {
    if (thread.clock != clock_) thread.words.Clock(clock_);
    thread.clock = clock_;
  }

  void Access(Thread& thread) {
    See(thread);
    thread.words.Block(1 + Below(2));
    for (uint64_t i = Below(3); i > 0; --i) {
      const auto place = Some();
      if (!place.has_value()) return;
      const uint64_t va = AddressOf(*place) + Below(0x1ff0);
      if (pages_[*place] == Page::kUsable && Below(2) == 0) {
        thread.words.Store(0, va, 3);
      } else {
        thread.words.Load(0, va, 3);
      }
    }
  }

  // A place that all may use.
  std::optional<uint64_t> Some() {
    std::vector<uint64_t> places;
    for (uint64_t i = 0; i < pages_.size(); ++i) {
      if (pages_[i] == Page::kUsable || pages_[i] == Page::kReadable) {
        places.push_back(i);
      }
    }
    if (places.empty()) return std::nullopt;
    return places[Below(places.size())];
  }
  std::optional<uint64_t> Free() {
    std::vector<uint64_t> places;
    for (uint64_t i = 0; i < pages_.size(); ++i) {
      if (pages_[i] == Page::kFree) places.push_back(i);
    }
    if (places.empty()) return std::nullopt;
    return places[Below(places.size())];
  }

  // From the call on no other thread uses what it takes away. Its record is
  // written with its result, which is known only then.
  void Begin(Thread& thread, Call call, uint64_t place) {
    thread.call = call;
    thread.done = false;
    thread.place = place;
    thread.clock = ++clock_;
    if (call == Call::kDiscard || call == Call::kProtect) busy_.insert(place);
    if (call == Call::kUnmap || call == Call::kMove) {
      pages_[place] = Page::kTaken;
    }
    if (call == Call::kProtect) {
      pages_[place] = Page::kReadable;  // nobody stores any more
    }
    const uint64_t at = AddressOf(place);
    switch (call) {
      case Call::kMap:
        thread.words.Call(kMmap, clock_, {0, 0x2000, 3, 0x22, ~uint64_t{0}, 0});
        break;
      case Call::kUnmap:
        thread.words.Call(kMunmap, clock_, {at, 0x2000, 0, 0, 0, 0});
        break;
      case Call::kMove:
        thread.words.Call(kMremap, clock_, {at, 0x2000, 0x2000, 1, 0, 0});
        break;
      case Call::kDiscard:
        thread.words.Call(kMadvise, clock_, {at, 0x2000, 4, 0, 0, 0});
        break;
      case Call::kProtect:
        thread.words.Call(kMprotect, clock_, {at, 0x2000, 1, 0, 0, 0});
        break;
      case Call::kThread:
        thread.words.Call(kClone, clock_, {kThreadFlags, 0, 0, 0, 0, 0});
        break;
      case Call::kNone:
        break;
    }
  }

  // What the kernel does, at some time between call and return.
  void Act(Thread& thread) {
    thread.done = true;
    switch (thread.call) {
      case Call::kMap:
        thread.other = Free();
        if (thread.other.has_value()) pages_[*thread.other] = Page::kTaken;
        break;
      case Call::kUnmap:
        pages_[thread.place] = Page::kFree;
        break;
      case Call::kMove:
        thread.other = Free();
        if (!thread.other.has_value()) break;
        pages_[*thread.other] = Page::kTaken;
        pages_[thread.place] = Page::kFree;
        break;
      default:
        break;
    }
  }

  void Return(Thread& thread) {
    if (!thread.done) Act(thread);
    const Call call = thread.call;
    thread.call = Call::kNone;
    thread.clock = ++clock_;
    if (call == Call::kDiscard || call == Call::kProtect) {
      busy_.erase(thread.place);
    }
    switch (call) {
      case Call::kMap:
        thread.words.Return(kMmap, clock_, ResultOf(thread));
        if (thread.other.has_value()) pages_[*thread.other] = Page::kUsable;
        break;
      case Call::kUnmap:
        thread.words.Return(kMunmap, clock_, 0);
        break;
      case Call::kMove:
        if (thread.other.has_value()) FixMove(thread);
        thread.words.Return(kMremap, clock_, ResultOf(thread));
        pages_[thread.other.value_or(thread.place)] = Page::kReadable;
        break;
      case Call::kDiscard:
        thread.words.Return(kMadvise, clock_, 0);
        break;
      case Call::kProtect:
        thread.words.Return(kMprotect, clock_, 0);
        break;
      case Call::kThread: {
        const uint64_t tid = 100 + Count();
        thread.words.Return(kClone, clock_, Signed(tid));
        // The reference to `thread` ends here.
        threads_.push_back({ThreadWords(tid, clock_), tid, clock_});
        break;
      }
      case Call::kNone:
        break;
    }
  }

  // Lets the mremap be one to a fixed place, as its call said.
  void FixMove(Thread& thread) {
    std::vector<uint64_t>& words = thread.words.words();
    words[words.size() - 3] = 3;  // MREMAP_MAYMOVE, MREMAP_FIXED
    words[words.size() - 2] = AddressOf(*thread.other);
  }

  int64_t ResultOf(const Thread& thread) const {
    constexpr int64_t kEnomem = 12;
    return thread.other.has_value() ? Signed(AddressOf(*thread.other))
                                    : -kEnomem;
  }

  static int64_t Signed(uint64_t value) { return static_cast<int64_t>(value); }

  std::mt19937_64 random_;
  uint64_t clock_ = 1;
  std::set<uint64_t> busy_;  // places that calls are about
  std::vector<Page> pages_ = std::vector<Page>(12);
  std::vector<Thread> threads_;
};

}  // namespace xmmu::spool_support

#endif  // XMMU_TESTS_WORKLOAD_QEMU_RANDOM_THREADS_H_
