// The machine's memory: what domains and the hypervisor itself get of it.

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "xmmu/base/check.h"
#include "xmmu/xen/host.h"

namespace xmmu {
namespace {

// Domains, and further extents of Xen's heap, begin at 4 MiB boundaries.
constexpr uint64_t kExtentFrames = (uint64_t{4} << 20) >> kPageShift;
constexpr int kMibShift = 20 - kPageShift;

// The number of frames in as many whole extents as `frames` need.
constexpr uint64_t RoundUpToExtent(uint64_t frames) {
  return (frames + kExtentFrames - 1) / kExtentFrames * kExtentFrames;
}

}  // namespace

absl::StatusOr<Domain*> Host::CreateDomain(const DomainOptions& options) {
  if (options.vcpus < 1 || options.vcpus > kMaxCpus) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a domain has 1 to ", kMaxCpus, " vCPUs, not ", options.vcpus));
  }
  if (options.memory_frames == 0) {
    return absl::InvalidArgumentError("a domain needs memory");
  }
  const uint64_t limit = FrameLimit(options.mode);
  const uint64_t first = next_extent_;
  if (first > limit || options.memory_frames > limit - first) {
    return NoRoom(options, first > limit ? 0 : limit - first);
  }
  next_extent_ = RoundUpToExtent(first + options.memory_frames);
  GrowTo(first + options.memory_frames);
  const auto id = static_cast<DomainId>(domains_.size() + 1);
  domains_.push_back(std::make_unique<Domain>(id, options));
  Populate(*domains_.back(), Mfn(first), options.memory_frames);
  Place(*domains_.back());
  return domains_.back().get();
}

absl::Status Host::NoRoom(const DomainOptions& options, uint64_t room) const {
  const bool by_entry = FrameLimit(options.mode) < most_frames_;
  return absl::ResourceExhaustedError(absl::StrCat(
      "no room for a domain of ", options.memory_frames >> kMibShift,
      " MiB: at most ", room >> kMibShift, " MiB are left of what ",
      by_entry ? absl::StrCat("entries of 4 bytes name, 4096 MiB")
               : absl::StrCat("machine ", Abs(model_.name), " can have, ",
                              most_frames_ >> kMibShift, " MiB")));
}

void Host::GrowTo(uint64_t frames) {
  XMMU_CHECK(frames <= most_frames_);
  frames_.Grow(frames);
}

uint64_t Host::frame_bookkeeping_bytes() const {
  uint64_t bytes = 0;
  for (const auto& domain : domains_) {
    const bool xen3 = domain->mode() == PagingMode::k2Level;
    bytes += domain->p2m().size() * (xen3 ? 24 + 4 : 32 + 8);
  }
  return bytes;
}

uint64_t Host::host_bytes() const {
  uint64_t bytes = memory_.host_bytes() + frames_.host_bytes() +
                   free_frames_.size() * sizeof(Mfn) +
                   free_xen_frames_.host_bytes();
  for (const auto& domain : domains_) {
    bytes +=
        domain->p2m().host_bytes() + domain->dirty_log().bitmap().host_bytes();
  }
  return bytes;
}

uint64_t Host::FrameLimit(PagingMode mode) const {
  const bool narrow = mode == PagingMode::k2Level;
  return narrow ? std::min(most_frames_, uint64_t{1} << 20) : most_frames_;
}

void Host::Populate(Domain& domain, Mfn first, uint64_t frames) {
  domain.p2m().SetAll(first, frames);
  PageInfo page;
  page.ref_count = 1;
  page.owner = domain.id();
  page.allocated = true;
  page.type = PageType::kWritable;
  page.validated = true;
  frames_.SetRange(first, frames, page);
}

void Host::Place(Domain& domain) {
  for (uint32_t i = 0; i < domain.vcpu_count(); ++i) {
    Cpu& cpu = *cpus_[i % cpus_.size()];
    domain.vcpu(i).cpu = &cpu;
    if (cpu.current != nullptr) continue;
    cpu.current = &domain.vcpu(i);
    domain.set_dirty_cpus(domain.dirty_cpus() | MaskOf(cpu.id));
  }
}

Domain* Host::FindDomain(DomainId id) {
  for (const auto& domain : domains_) {
    if (domain->id() == id) return domain.get();
  }
  return nullptr;
}

void Host::FreeFrame(Mfn mfn) {
  PageInfo& page = frames_[mfn];
  if (Domain* owner = FindDomain(page.owner)) {
    const Pfn pfn = owner->p2m().PfnOf(mfn);
    if (pfn != kInvalidPfn) owner->p2m().Clear(pfn);
  }
  page = PageInfo();
  page.tlbflush_timestamp = tlb_clock_;
  free_frames_.push_back(mfn);
}

std::optional<Mfn> Host::AllocFrame(Domain& domain, Pfn pfn) {
  const uint64_t limit = FrameLimit(domain.mode());
  const auto last =
      std::find_if(free_frames_.rbegin(), free_frames_.rend(),
                   [limit](Mfn mfn) { return mfn.value() < limit; });
  if (last == free_frames_.rend()) return std::nullopt;
  const Mfn mfn = *last;
  free_frames_.erase(std::next(last).base());
  domain.p2m().Set(pfn, mfn);
  PageInfo& page = frames_[mfn];
  page.ref_count = 1;
  page.owner = domain.id();
  page.allocated = true;
  return mfn;
}

absl::Status Host::ReserveXenRoom(uint64_t count) {
  const uint64_t free = free_xen_frames_.size() +
                        (xen_extent_end_ - next_xen_frame_) +
                        (most_frames_ - std::min(most_frames_, next_extent_)) /
                            kExtentFrames * kExtentFrames;
  // Frames in use are taken to be those that were set aside, as far as possible.
  const uint64_t spoken_for =
      std::max(reserved_xen_frames_, xen_frames_) - xen_frames_;
  const uint64_t left = free - std::min(free, spoken_for);
  if (count <= left) {
    reserved_xen_frames_ += count;
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "no room for ", count >> kMibShift,
      " MiB of the hypervisor's beside the guests: at most ", left >> kMibShift,
      " MiB are left of what machine ", Abs(model_.name), " can have, ",
      most_frames_ >> kMibShift, " MiB"));
}

Mfn Host::AllocXenFrame() {
  Mfn mfn;
  if (!free_xen_frames_.empty()) {
    mfn = free_xen_frames_.Pop();
  } else {
    if (next_xen_frame_ == xen_extent_end_) {
      next_xen_frame_ = next_extent_;
      next_extent_ += kExtentFrames;
      xen_extent_end_ = next_extent_;
      GrowTo(xen_extent_end_);
    }
    mfn = Mfn(next_xen_frame_++);
  }
  memory_.ZeroFrame(mfn);
  if (std::as_const(frames_)[mfn] != PageInfo()) frames_[mfn] = PageInfo();
  ++xen_frames_;
  peak_xen_frames_ = std::max(peak_xen_frames_, xen_frames_);
  return mfn;
}

std::optional<Mfn> Host::AllocXenFrames(uint64_t count) {
  if (!free_xen_frames_.empty()) return std::nullopt;
  if (next_xen_frame_ == xen_extent_end_) {
    next_xen_frame_ = xen_extent_end_ = next_extent_;
  }
  const bool goes_on = xen_extent_end_ == next_extent_;
  const uint64_t end = next_xen_frame_ + count;
  if (end > xen_extent_end_) {
    if (!goes_on) return std::nullopt;
    next_extent_ += RoundUpToExtent(end - xen_extent_end_);
    xen_extent_end_ = next_extent_;
    GrowTo(xen_extent_end_);
  }
  const Mfn first(std::exchange(next_xen_frame_, end));
  xen_frames_ += count;
  peak_xen_frames_ = std::max(peak_xen_frames_, xen_frames_);
  return first;
}

FrameRuns Host::AllocXenPool(uint64_t count) {
  FrameRuns pool;
  while (pool.size() < count) {
    const uint64_t rest = count - pool.size();
    const uint64_t fresh = xen_extent_end_ - next_xen_frame_;
    const bool goes_on = fresh == 0 || xen_extent_end_ == next_extent_;
    const uint64_t wanted = goes_on ? rest : std::min(rest, fresh);
    const std::optional<Mfn> first = AllocXenFrames(wanted);
    if (first.has_value()) {
      pool.Push(*first, wanted);
    } else {
      pool.Push(AllocXenFrame());
    }
  }
  return pool;
}

void Host::FreeXenFrame(Mfn mfn) {
  XMMU_CHECK(xen_frames_ > 0);
  --xen_frames_;
  free_xen_frames_.Push(mfn);
}

void Host::FreeXenFrames(const FrameRuns& frames) {
  XMMU_CHECK(xen_frames_ >= frames.size());
  xen_frames_ -= frames.size();
  for (const auto& [first, count] : frames.runs()) {
    free_xen_frames_.Push(first, count);
  }
}

}  // namespace xmmu
