// The threads of a process: which task each is, and what keeps their recorded
// order in any interleaving.

#include <map>
#include <random>
#include <set>

#include "workload/qemu/spool_support.h"

namespace xmmu::spool_threads_test {

using namespace spool_support;  // NOLINT: a test is written with its words

constexpr uint64_t kMmap = 9;
constexpr uint64_t kMunmap = 11;
constexpr uint64_t kMremap = 25;
constexpr uint64_t kMprotect = 10;
constexpr uint64_t kMadvise = 28;
constexpr uint64_t kClone = 56;
constexpr uint64_t kExit = 60;
constexpr uint64_t kExitGroup = 231;
constexpr uint64_t kThreadFlags = 0x50f00;  // CLONE_VM, FS, FILES, SIGHAND, ...
constexpr uint64_t kPlace = 0x10000000;

class SpoolThreadsTest : public SpoolTest {
 protected:
  void WriteBlocks() {
    Write("7.0.blocks", BlockWords().Block(kCode, {1}).Block(kCode + 1, {1}));
  }
};

TEST_F(SpoolThreadsTest,
       AThreadThatRunsBeforeItsCloneReturnsComesBehindTheClone) {
  WriteBlocks();
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Call(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0})
                     .Return(kClone, 5, 9)
                     .Block(1));
  Write(
      "7.0.1",
      ThreadWords(9, 2).Block(2).Done(39, 3, {}, 7).Call(kExit, 6, {}).Exit(9));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "fetch 400000 +1\nclone task 9\nfetch 400000 +1\n"
            "post\nawait task 9 +1\nexit\n");
  EXPECT_EQ(streams.Text(9), "fetch 400001 +1\nsyscall\nexit\n");
  EXPECT_EQ(Count("threads"), 1);
}

TEST_F(SpoolThreadsTest, AMappingIsAwaitedByThoseWhoUseItAndAnUnmapAwaitsThem) {
  WriteBlocks();
  Write("7.0.0",
        Program(7)
            .Done(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0}, 9)
            .Done(kMmap, 4, {0, 0x1000, 3, 0x22, ~uint64_t{0}, 0}, kPlace)
            .Clock(6)
            .Done(kMunmap, 7, {kPlace, 0x1000, 0, 0, 0, 0}, 0)
            .Clock(9)
            .Block(1)
            .Call(kExitGroup, 11, {})
            .Exit(7));
  Write("7.0.1", ThreadWords(9, 2)
                     .Block(2)
                     .Clock(5)
                     .Block(2)
                     .Store(0, kPlace, 3)
                     .Block(2)
                     .Clock(8)
                     .Block(2));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "clone task 9\n"
            "map 10000000 +4096 rights 3\n"
            "post\n"
            "await task 9 +1\n"
            "unmap 10000000 +4096\n"
            "post\n"
            "fetch 400000 +1\n"
            "exit\n");
  EXPECT_EQ(streams.Text(9),
            "fetch 400001 +1\n"
            "await task 7 +1\n"
            "fetch 400001 +1\n"
            "store 10000000 +8\n"
            "fetch 400001 +1\n"
            "post\n"
            "await task 7 +2\n"
            "fetch 400001 +1\n"
            "post\n"
            "exit\n");
}

TEST_F(SpoolThreadsTest, AProcessOfOneThreadWaitsForNothing) {
  WriteBlocks();
  Write("7.0.0",
        Program(7)
            .Done(kMmap, 4, {0, 0x1000, 3, 0x22, ~uint64_t{0}, 0}, kPlace)
            .Done(kMunmap, 7, {kPlace, 0x1000, 0, 0, 0, 0}, 0));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "map 10000000 +4096 rights 3\nunmap 10000000 +4096\nexit\n");
}

// What one thread saw of another's call comes behind that call, whichever file
// is read first.
TEST_F(SpoolThreadsTest, AClockComesBehindTheCallOfThatClock) {
  WriteBlocks();
  Write("7.0.0", Program(7)
                     .Done(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0}, 9)
                     .Clock(5)
                     .Block(1)
                     .Store(0, kPlace, 3));
  Write("7.0.1", ThreadWords(9, 2).Done(
                     kMmap, 4, {0, 0x1000, 3, 0x22, ~uint64_t{0}, 0}, kPlace));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(Count("accesses to what is not mapped, left out"), 0);
}

// The kernel has unmapped before the munmap returned, and another thread has
// mapped there.
TEST_F(SpoolThreadsTest,
       AMunmapThatReturnsLateComesBeforeTheMmapThatTookItsPlace) {
  WriteBlocks();
  const std::array<uint64_t, 6> mmap = {0, 0x1000, 3, 0x22, ~uint64_t{0}, 0};
  Write("7.0.0", Program(7)
                     .Done(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0}, 9)
                     .Done(kMmap, 4, mmap, kPlace)
                     .Call(kMunmap, 6, {kPlace, 0x1000, 0, 0, 0, 0})
                     .Return(kMunmap, 9, 0));
  Write("7.0.1", ThreadWords(9, 6)
                     .Done(kMmap, 7, mmap, kPlace)
                     .Block(2)
                     .Store(0, kPlace, 3));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "clone task 9\nmap 10000000 +4096 rights 3\npost\n"
            "unmap 10000000 +4096\npost\nexit\n");
  EXPECT_EQ(streams.Text(9),
            "await task 7 +2\nmap 10000000 +4096 rights 3\npost\n"
            "fetch 400001 +1\nstore 10000000 +8\npost\nexit\n");
  EXPECT_EQ(Count("mappings in the way of a call, unmapped"), 0);
}

TEST_F(SpoolThreadsTest, AnExecOfAnotherThreadIsThatOfTheProcess) {
  WriteBlocks();
  Write("7.0.0", Program(7)
                     .Done(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0}, 9)
                     .Call(202, 4, {kStackStart, 0, 0, 0, 0, 0}));
  Write("7.0.1", ThreadWords(9, 2)
                     .Call(59, 5, {kStackStart, 0, 0, 0, 0, 0})
                     .Text(0, "/bin/b"));
  Write("7.1.blocks", BlockWords().Block(kCode, {1}));
  Write("7.1.0", Program(7).Block(1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "clone task 9\nyield\npost\nawait task 9 +1\n"
            "in 4000000000 +7 ...\nexec\n"
            "map 400000 +65536 rights 5\nmap 4000000000 +8388608 rights 3\n"
            "fetch 400000 +1\nexit\n");
  EXPECT_EQ(streams.Text(9), "exit\n");
}

TEST_F(SpoolThreadsTest, AThreadThatNeverRanExits) {
  WriteBlocks();
  Write("7.0.0", Program(7).Done(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0}, 9));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Text(9), "exit\n");
}

TEST_F(SpoolThreadsTest, AThreadThatNoCloneNamedIsLeftOut) {
  WriteBlocks();
  Write("7.0.0", Program(7).Block(1));
  Write("7.0.1", ThreadWords(9, 2).Block(1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.by_task.count(9), 0);
  EXPECT_EQ(Count("threads that no clone named, left out"), 1);
}

// The first thread is still in its clone when the second one executes.
TEST_F(SpoolThreadsTest, AThreadIsThatOfACloneThatWasCutShort) {
  WriteBlocks();
  Write("7.0.0", Program(7).Block(1).Call(kClone, 2, {kThreadFlags}));
  Write("7.0.1",
        ThreadWords(9, 2).Block(2).Call(59, 3, {kStackStart}).Text(0, "/b"));
  Write("7.1.blocks", BlockWords().Block(kCode, {1}));
  Write("7.1.0", Program(7).Block(1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "fetch 400000 +1\nclone task 9\n"
            "await task 9 +1\nin 4000000000 +3 ...\nexec\n"
            "map 400000 +65536 rights 5\nmap 4000000000 +8388608 rights 3\n"
            "fetch 400000 +1\nexit\n");
  EXPECT_EQ(streams.Text(9), "fetch 400001 +1\nexit\n");
  EXPECT_EQ(Count("threads that no clone named, left out"), 0);
}

TEST_F(SpoolThreadsTest, ACloneThatMadeNoThreadIsACall) {
  WriteBlocks();
  Write("7.0.0", Program(7).Call(kClone, 2, {kThreadFlags}));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2), "syscall\nexit\n");
}

// ---- Random recordings, replayed in random orders.

// A program of several threads that run on a kernel: it maps where nothing is,
// and its accesses are to what is mapped.
class RandomProgram {
 public:
  RandomProgram(uint64_t seed, ThreadWords first) : random_(seed) {
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

// Replays streams in a random order that kAwait allows, and says what is wrong.
class Replay {
 public:
  Replay(const KeptOps& streams, uint64_t seed)
      : streams_(streams), random_(seed) {
    alive_.insert(7);
  }

  std::string Run() {
    while (!alive_.empty()) {
      std::vector<TaskId> ready;
      for (const TaskId task : alive_) {
        if (Passes(Next(task))) ready.push_back(task);
      }
      if (ready.empty()) return "all wait for one another";
      const TaskId task = ready[random_() % ready.size()];
      // A short run of one task, as a scheduler's.
      for (uint64_t i = random_() % 8; alive_.count(task) != 0; --i) {
        if (!Passes(Next(task))) break;
        const std::string wrong = Execute(task, Next(task));
        if (!wrong.empty()) return wrong;
        ++positions_[task];
        if (i == 0) break;
      }
    }
    return "";
  }

 private:
  const GuestOp& Next(TaskId task) {
    return streams_.by_task.at(task)[positions_[task]];
  }
  bool Passes(const GuestOp& op) {
    return op.kind != GuestOpKind::kAwait || ended_.count(op.child) != 0 ||
           posts_[op.child] >= op.length;
  }

  std::string Execute(TaskId task, const GuestOp& op) {
    const uint64_t start = op.va.value() >> 12;
    const uint64_t end = (op.va.value() + op.length + 0xfff) >> 12;
    switch (op.kind) {
      case GuestOpKind::kLoad:
      case GuestOpKind::kStore:
      case GuestOpKind::kFetch:
        for (uint64_t page = start; page < end; ++page) {
          const uint8_t need = op.kind == GuestOpKind::kStore  ? kMapWrite
                               : op.kind == GuestOpKind::kLoad ? kMapRead
                                                               : kMapExecute;
          if ((pages_[page] & need) == 0) {
            return absl::StrCat("task ", task, ": ", TextOf(op));
          }
        }
        break;
      case GuestOpKind::kMap:
        for (uint64_t page = start; page < end; ++page) {
          if (pages_[page] != 0) return "mapped twice: " + TextOf(op);
          pages_[page] = op.rights;
        }
        break;
      case GuestOpKind::kProtect:
      case GuestOpKind::kUnmap:
      case GuestOpKind::kDiscard:
        for (uint64_t page = start; page < end; ++page) {
          if (pages_[page] == 0) return "not mapped: " + TextOf(op);
          if (op.kind == GuestOpKind::kUnmap) pages_[page] = 0;
          if (op.kind == GuestOpKind::kProtect) pages_[page] = op.rights;
        }
        break;
      case GuestOpKind::kRemap:
        for (uint64_t i = 0; i < op.length >> 12; ++i) {
          uint8_t& to = pages_[(op.target.value() >> 12) + i];
          if (pages_[start + i] == 0) return "not mapped: " + TextOf(op);
          if (to != 0) return "mapped twice: " + TextOf(op);
          to = std::exchange(pages_[start + i], uint8_t{0});
        }
        break;
      case GuestOpKind::kClone:
        alive_.insert(op.child);
        break;
      case GuestOpKind::kPost:
        ++posts_[task];
        break;
      case GuestOpKind::kExit:
        alive_.erase(task);
        ended_.insert(task);
        break;
      default:
        break;
    }
    return "";
  }

  const KeptOps& streams_;
  std::mt19937_64 random_;
  std::map<TaskId, size_t> positions_;
  std::map<TaskId, uint64_t> posts_;
  std::set<TaskId> alive_;
  std::set<TaskId> ended_;
  std::map<uint64_t, uint8_t> pages_;  // rights by page
};

TEST_F(SpoolThreadsTest, NoInterleavingOfTheStreamsTouchesWhatIsNotMapped) {
  uint64_t awaits = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    for (const auto& entry : std::filesystem::directory_iterator(directory())) {
      std::filesystem::remove(entry.path());
    }
    WriteBlocks();
    std::vector<ThreadWords> files = RandomProgram(seed, Program(7)).Run(600);
    for (size_t i = 0; i < files.size(); ++i) {
      Write(absl::StrCat("7.0.", i), files[i]);
    }
    KeptOps streams;
    ASSERT_EQ(Convert(streams), "") << "seed " << seed;
    ASSERT_EQ(Count("accesses to what is not mapped, left out"), 0)
        << "seed " << seed;
    for (uint64_t order = 0; order < 10; ++order) {
      ASSERT_EQ(Replay(streams, order).Run(), "")
          << "seed " << seed << ", order " << order;
    }
    for (const auto& [task, ops] : streams.by_task) {
      for (const GuestOp& op : ops) awaits += op.kind == GuestOpKind::kAwait;
    }
  }
  EXPECT_GT(awaits, 1000);
}

}  // namespace xmmu::spool_threads_test
