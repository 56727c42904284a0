// Where an allocator gets its blocks from: the system's memory, a GPU's, or memory that a GPU may copy from.

#pragma once

#include <cstddef>

namespace tsdlc {

class BlockSource {
 public:
  virtual ~BlockSource() = default;
  /// The size of the block that is asked for when `bytes` are needed. Few different ones make for reuse: there are four
  /// classes for each power of two, so that at most a quarter of a block is unused.
  virtual size_t classOf(size_t bytes) const;
  /// A block of `bytes`, or null when there is none.
  virtual void* obtain(size_t bytes) = 0;
  /// `bytes` as given to `obtain`.
  virtual void giveBack(void* data, size_t bytes) = 0;
};

/// The C library's memory, aligned to a cache line, in huge pages where that is worth it.
class SystemMemory : public BlockSource {
 public:
  void* obtain(size_t bytes) override;
  void giveBack(void* data, size_t bytes) override;
};

}  // namespace tsdlc
