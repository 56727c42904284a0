// Launches of kernels on the CPU: blocks one after another, the threads of a block as fibers.
//
// Order between barriers is a knob, because hardware promises none: a kernel that is right runs the same forward, in
// reverse, and shuffled.

#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "image.h"
#include "thread.h"

namespace tsdlc::emulator {

enum class Order { forward, reverse, shuffled };

struct Knobs {
  Order threads = Order::forward;
  Order blocks = Order::forward;
  uint64_t seed = 1;
  /// Asynchronous copies happen when they are waited for, else at once.
  bool lateCopies = true;
};

constexpr unsigned maxThreadsPerBlock = 1024;
/// Static shared memory of a kernel, and all of it, on every architecture that matters here (compute capability 8.0).
constexpr size_t maxStaticSharedBytes = 48 * 1024;

/// One shared variable.
struct SharedVariable {
  char* begin;
  size_t bytes;
};

struct Launch {
  const ImageDescription& image;
  const KernelDescription& kernel;
  /// What each block must find without contents: the kernel's own variables, and those of functions that it may call.
  const std::vector<SharedVariable>& shared;
  Index3 grid;
  Index3 block;
  size_t dynamicSharedBytes;
  void* const* arguments;
};

/// Runs all blocks; returns what went wrong, or nothing. Launches of one image must not overlap: they share memory.
std::string run(const Launch& launch, const Knobs& knobs);

}  // namespace tsdlc::emulator
