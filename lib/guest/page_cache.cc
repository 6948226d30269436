#include "guest/page_cache.h"

#include <utility>

namespace xmmu {
namespace {

// Identities: names have 32 bits, and removed names count on above them.
// Nameless objects have the highest bit.
constexpr uint64_t kNameless = uint64_t{1} << 63;

}  // namespace

FileObject::~FileObject() {
  for (const auto& [number, pfn] : pages) cache_.dropped_.push_back(pfn);
  for (const auto& [key, head] : large_pages) {
    cache_.dropped_blocks_.push_back(head);
  }
  for (const auto& [number, age] : ages_) cache_.by_age_.erase(age);
}

FileRef PageCache::Named(uint32_t file, bool zero_filled) {
  FileRef& named = named_[file];
  if (named == nullptr) {
    const auto removed = removals_.find(file);
    const bool made_again = removed != removals_.end();
    const uint64_t generation = made_again ? removed->second : 0;
    named = std::make_shared<FileObject>(*this, generation << 32 | file,
                                         zero_filled, made_again);
  }
  return named;
}

FileRef PageCache::MakeNameless(TaskId task, uint32_t sequence) {
  const uint64_t identity = kNameless | uint64_t{task} << 31 | sequence;
  return std::make_shared<FileObject>(*this, identity, /*zero_filled=*/true);
}

void PageCache::Remove(uint32_t file, bool renews) {
  if (named_.erase(file) == 1) removals_[file] += renews ? 1 : 0;
}

std::vector<Pfn> PageCache::TakeDropped() {
  return std::exchange(dropped_, {});
}

std::vector<Pfn> PageCache::TakeDroppedBlocks() {
  return std::exchange(dropped_blocks_, {});
}

void PageCache::Touch(FileObject& file, uint64_t number) {
  const auto [it, is_new] = file.ages_.try_emplace(number, kDirty);
  if (!is_new) {
    if (it->second == kDirty) return;
    by_age_.erase(it->second);
  }
  it->second = ++last_age_;
  by_age_.emplace(last_age_, CachedPage{&file, number});
}

void PageCache::KeepDirty(FileObject& file, uint64_t number) {
  const auto [it, is_new] = file.ages_.try_emplace(number, kDirty);
  by_age_.erase(it->second);
  it->second = kDirty;
}

void PageCache::Drop(FileObject& file, uint64_t number) {
  const auto it = file.ages_.find(number);
  by_age_.erase(it->second);
  file.ages_.erase(it);
  file.pages.erase(number);
}

void OpenFiles::Open(uint32_t file, FileRef object) {
  open_[file].push_back(std::move(object));
}

void OpenFiles::Close(uint32_t file) {
  const auto it = open_.find(file);
  if (it == open_.end()) return;
  it->second.erase(it->second.begin());
  if (it->second.empty()) open_.erase(it);
}

FileRef OpenFiles::Find(uint32_t file) const {
  const auto it = open_.find(file);
  return it == open_.end() ? nullptr : it->second.back();
}

}  // namespace xmmu
