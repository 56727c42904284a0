#include "block-source.h"

#include <algorithm>
#include <cstdlib>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace tsdlc {

namespace {

/// A cache line, and the widest vector load of any CPU tier.
constexpr size_t alignment = 64;
constexpr size_t hugePage = size_t{2} << 20;

}  // namespace

size_t BlockSource::classOf(size_t bytes) const {
  if (bytes <= 4 * alignment) return std::max(alignment, (bytes + alignment - 1) / alignment * alignment);
  unsigned shift = 0;
  while (((bytes - 1) >> shift) >= 8) shift++;
  return (((bytes - 1) >> shift) + 1) << shift;
}

void* SystemMemory::obtain(size_t bytes) {
  const bool large = bytes >= 2 * hugePage;
  const size_t unit = large ? hugePage : alignment;
  void* data = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
#ifdef __linux__
  // One fault for 2 MiB in place of 512; a refusal changes nothing but speed.
  if (large && data != nullptr) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

void SystemMemory::giveBack(void* data, size_t) { std::free(data); }

}  // namespace tsdlc
