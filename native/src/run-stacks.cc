#include "run-stacks.h"

namespace tsdlc {

namespace {

/// Elements of the first chunk.
constexpr size_t first = 8;

}  // namespace

RunStacks::RunStacks(Allocator& allocator, const std::vector<size_t>& elementBytes) : allocator_(allocator) {
  stacks_.reserve(elementBytes.size());
  for (size_t bytes : elementBytes) stacks_.push_back({bytes, 0, {}});
}

RunStacks::~RunStacks() {
  for (const Stack& stack : stacks_) {
    for (size_t chunk = 0; chunk < stack.chunks.size(); chunk++) allocator_.release(stack.chunks[chunk], chunkBytes(stack, chunk));
  }
}

RunStacks::Place RunStacks::push(int32_t index) {
  Stack& stack = stacks_[index];
  const auto [chunk, position] = chunkOf(stack.count);
  void* fresh = nullptr;
  if (chunk == stack.chunks.size()) {
    fresh = allocator_.allocate(chunkBytes(stack, chunk));
    if (fresh == nullptr) return {nullptr};
    stack.chunks.push_back(fresh);
  }
  stack.count++;
  return {static_cast<char*>(stack.chunks[chunk]) + position * stack.elementBytes, fresh};
}

RunStacks::Place RunStacks::pop(int32_t index) {
  Stack& stack = stacks_[index];
  if (stack.count == 0) return {nullptr};
  const auto [chunk, position] = chunkOf(--stack.count);
  return {static_cast<char*>(stack.chunks[chunk]) + position * stack.elementBytes};
}

std::vector<void*> RunStacks::chunks() const {
  std::vector<void*> all;
  for (const Stack& stack : stacks_) all.insert(all.end(), stack.chunks.begin(), stack.chunks.end());
  return all;
}

size_t RunStacks::chunkBytes(const Stack& stack, size_t chunk) { return stack.elementBytes * (first << chunk); }

/// Chunk c has first * 2^c elements, so first * (2^c - 1) are in the chunks before it.
std::pair<size_t, size_t> RunStacks::chunkOf(size_t element) {
  size_t chunk = 0;
  while (element >= first << chunk) {
    element -= first << chunk;
    chunk++;
  }
  return {chunk, element};
}

}  // namespace tsdlc
