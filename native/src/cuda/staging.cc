#include "staging.h"

#include <chrono>

#include "../failure.h"

namespace tsdlc::cuda {

std::shared_ptr<Staging::Piece> Staging::take(size_t bytes, const std::atomic<bool>& closing) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    void* data = allocator_.allocate(bytes);
    if (data != nullptr) {
      taken_++;
      return std::shared_ptr<Piece>(new Piece{*this, data, bytes});
    }
    if (taken_ == 0) throw Failed{failed("out of memory: " + readable(bytes) + " of pinned host memory for a copy cannot be had", Failure::Kind::outOfMemory)};
    if (closing.load()) throw Failed{failed("a copy was stopped: its device was closed")};
    // Closing wakes nobody.
    released_.wait_for(lock, std::chrono::milliseconds(5));
  }
}

void Staging::release(const Piece& piece) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    allocator_.release(piece.data, piece.bytes);
    taken_--;
  }
  released_.notify_one();
}

}  // namespace tsdlc::cuda
