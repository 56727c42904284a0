// The stacks of one run: memory that grows while a plan is walked.
//
// The one idea: a stack is a list of chunks, each with room for twice as many elements as the one before, so that a long
// loop asks for memory a few times only and nothing that was pushed ever moves. Chunks stay until the run ends.

#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "allocator.h"

namespace tsdlc {

class RunStacks {
 public:
  RunStacks(Allocator& allocator, const std::vector<size_t>& elementBytes);
  ~RunStacks();
  RunStacks(const RunStacks&) = delete;
  RunStacks& operator=(const RunStacks&) = delete;

  struct Place {
    /// Null when there is no memory for a push, or nothing to pop.
    void* data;
    /// The chunk that it is in, when that was allocated for it.
    void* fresh = nullptr;
  };

  /// Where the next element goes.
  Place push(int32_t stack);
  /// Where the element is that was on top; it stays there until something else is pushed.
  Place pop(int32_t stack);
  void clear(int32_t stack) { stacks_[stack].count = 0; }

  /// Bytes that the next chunk of a stack has.
  size_t nextBytes(int32_t stack) const { return chunkBytes(stacks_[stack], stacks_[stack].chunks.size()); }
  /// All chunks there are.
  std::vector<void*> chunks() const;

 private:
  struct Stack {
    size_t elementBytes;
    size_t count = 0;
    std::vector<void*> chunks;
  };

  static size_t chunkBytes(const Stack& stack, size_t chunk);
  static std::pair<size_t, size_t> chunkOf(size_t element);

  Allocator& allocator_;
  std::vector<Stack> stacks_;
};

}  // namespace tsdlc
