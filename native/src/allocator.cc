#include "allocator.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace tsdlc {

namespace {

/// A cache line, and the widest vector load of any CPU tier.
constexpr size_t alignment = 64;
constexpr size_t hugePage = size_t{2} << 20;

/// Four classes for each power of two: at most a quarter of a block is unused, and unused pages are never touched.
size_t sizeClass(size_t bytes) {
  if (bytes <= 4 * alignment) return std::max(alignment, (bytes + alignment - 1) / alignment * alignment);
  unsigned shift = 0;
  while (((bytes - 1) >> shift) >= 8) shift++;
  return (((bytes - 1) >> shift) + 1) << shift;
}

void* systemAllocate(size_t bytes) {
  const bool large = bytes >= 2 * hugePage;
  const size_t unit = large ? hugePage : alignment;
  void* data = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
#ifdef __linux__
  // One fault for 2 MiB in place of 512; a refusal changes nothing but speed.
  if (large && data != nullptr) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

}  // namespace

Allocator::Allocator(size_t cacheLimit, size_t limit) : cacheLimit_(cacheLimit), limit_(limit) {}

Allocator::~Allocator() { trimLocked(0); }

void* Allocator::allocate(size_t bytes) {
  if (bytes > limit_) return nullptr;
  const size_t size = sizeClass(bytes);
  std::lock_guard<std::mutex> lock(mutex_);
  void* data = nullptr;
  auto present = cachedOfSize_.find(size);
  if (present != cachedOfSize_.end() && !present->second.empty()) {
    Blocks::iterator newest = present->second.back();
    present->second.pop_back();
    data = newest->data;
    cachedBlocks_.erase(newest);
    cached_ -= size;
  } else {
    if (live_ + size > limit_) return nullptr;
    // Cached blocks are resident too: within the limit they make room for live ones.
    if (live_ + cached_ + size > limit_) trimLocked(limit_ - live_ - size);
    data = systemAllocate(size);
    if (data == nullptr) {
      trimLocked(0);
      data = systemAllocate(size);
    }
    if (data == nullptr) return nullptr;
  }
  live_ += size;
  peak_ = std::max(peak_, live_);
  return data;
}

void Allocator::release(void* data, size_t bytes) {
  if (data == nullptr) return;
  const size_t size = sizeClass(bytes);
  std::lock_guard<std::mutex> lock(mutex_);
  live_ -= size;
  cachedBlocks_.push_back({data, size});
  cachedOfSize_[size].push_back(std::prev(cachedBlocks_.end()));
  cached_ += size;
  trimLocked(cacheLimit_);
}

void Allocator::trim(size_t keep) {
  std::lock_guard<std::mutex> lock(mutex_);
  trimLocked(keep);
}

void Allocator::trimLocked(size_t keep) {
  while (cached_ > keep) {
    const Block oldest = cachedBlocks_.front();
    // The oldest block of all is the oldest of its own size.
    auto& ofSize = cachedOfSize_[oldest.bytes];
    ofSize.erase(ofSize.begin());
    cachedBlocks_.pop_front();
    cached_ -= oldest.bytes;
    std::free(oldest.data);
  }
}

Allocator::Use Allocator::use() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {live_, peak_, cached_};
}

}  // namespace tsdlc
