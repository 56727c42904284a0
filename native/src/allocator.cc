#include "allocator.h"

#include <algorithm>
#include <utility>

namespace tsdlc {

Allocator::Allocator(std::unique_ptr<BlockSource> source, size_t cacheLimit, size_t limit)
    : source_(std::move(source)), cacheLimit_(cacheLimit), limit_(limit) {}

Allocator::~Allocator() { trimLocked(0); }

void* Allocator::allocate(size_t bytes) {
  if (bytes > limit_) return nullptr;
  const size_t size = source_->classOf(bytes);
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
    data = source_->obtain(size);
    if (data == nullptr) {
      trimLocked(0);
      data = source_->obtain(size);
    }
    if (data == nullptr) return nullptr;
  }
  live_ += size;
  peak_ = std::max(peak_, live_);
  return data;
}

void Allocator::release(void* data, size_t bytes) {
  if (data == nullptr) return;
  const size_t size = source_->classOf(bytes);
  std::lock_guard<std::mutex> lock(mutex_);
  live_ -= size;
  cachedBlocks_.push_back({data, size});
  cachedOfSize_[size].push_back(std::prev(cachedBlocks_.end()));
  cached_ += size;
  trimLocked(cacheLimit_);
}

void Allocator::adopt(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  live_ += bytes;
  peak_ = std::max(peak_, live_);
}

void Allocator::disown(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  live_ -= bytes;
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
    source_->giveBack(oldest.data, oldest.bytes);
  }
}

Allocator::Use Allocator::use() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {live_, peak_, cached_};
}

}  // namespace tsdlc
