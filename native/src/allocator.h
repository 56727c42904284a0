// Memory for buffers: blocks of a source in size classes, kept for reuse when released.
//
// The one idea: a fresh large block costs a page fault for every page it has, or a call of the driver, far more than a
// kernel that streams through it. So released blocks are kept, most recent first, until `cacheLimit` bytes are; then the
// block that has been unused for longest goes back to the source. Arenas of runs come from here too, which is why there
// is no separate arena cache: consecutive runs of one plan ask for one size and get the same warm block. A loop that
// allocates the same sizes sees the same addresses again, which is what lets a CUDA graph be replayed.

#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "block-source.h"

namespace tsdlc {

class Allocator {
 public:
  struct Use {
    size_t live;
    size_t peak;
    size_t cached;
  };

  /// `limit` bounds the bytes in use: past the memory of the machine an overcommitting system would kill the process.
  Allocator(std::unique_ptr<BlockSource> source, size_t cacheLimit, size_t limit);
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  /// A block of at least `bytes`, never null for 0 bytes; null when there is no memory.
  void* allocate(size_t bytes);
  /// `bytes` as given to `allocate`.
  void release(void* data, size_t bytes);
  /// Counts memory that somebody else has made and that buffers lie in; until `disown` it is live.
  void adopt(size_t bytes);
  void disown(size_t bytes);
  /// Gives cached blocks back to the system, oldest first, until at most `keep` bytes are cached.
  void trim(size_t keep);
  Use use() const;
  size_t limit() const { return limit_; }

 private:
  struct Block {
    void* data;
    size_t bytes;
  };
  using Blocks = std::list<Block>;

  void trimLocked(size_t keep);

  mutable std::mutex mutex_;
  const std::unique_ptr<BlockSource> source_;
  const size_t cacheLimit_;
  const size_t limit_;
  /// Oldest first.
  Blocks cachedBlocks_;
  /// Positions in `cachedBlocks_` by size class, oldest first.
  std::unordered_map<size_t, std::vector<Blocks::iterator>> cachedOfSize_;
  size_t live_ = 0;
  size_t peak_ = 0;
  size_t cached_ = 0;
};

}  // namespace tsdlc
