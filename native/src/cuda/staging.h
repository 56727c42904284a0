// Pinned host memory through which bytes go to and from a GPU, piece by piece.
//
// The one idea: the driver copies in the background only from pinned memory, of which a machine should not have much. So
// a copy of any length goes through pieces, and who wants one more than there may be waits until the GPU is done with one.

#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "../allocator.h"

namespace tsdlc::cuda {

class Staging {
 public:
  /// A piece, given back when the last reference to it goes.
  struct Piece {
    Staging& staging;
    void* data;
    size_t bytes;
    ~Piece() { staging.release(*this); }
  };

  /// No piece is larger.
  static constexpr size_t pieceBytes = size_t{4} << 20;

  explicit Staging(std::unique_ptr<BlockSource> pinned) : allocator_(std::move(pinned), inUse, inUse) {}

  /// Waits until there is room; throws Failed when there is none, or when `closing` comes first.
  std::shared_ptr<Piece> take(size_t bytes, const std::atomic<bool>& closing);

 private:
  /// Pieces in use at once, and kept.
  static constexpr size_t inUse = 8 * pieceBytes;

  void release(const Piece& piece);

  Allocator allocator_;
  std::mutex mutex_;
  std::condition_variable released_;
  int taken_ = 0;
};

}  // namespace tsdlc::cuda
