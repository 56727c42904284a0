// Threads that share the grid of one kernel launch at a time.
//
// The one idea: nobody waits for a thread to wake up. The launching thread publishes the launch, takes chunks of the
// grid itself, and at the end waits only for threads that are inside the launch. A thread that wakes late finds
// nothing published and goes back to sleep; threads that are awake find work within a spin.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "kernel-library.h"

namespace tsdlc {

class ThreadPool {
 public:
  /// Below this many scalar operations a whole plan is not worth queueing: the calling thread runs it.
  static constexpr double smallLaunch = 30000;

  /// `threads` counts the launching thread; the others start with the first launch that is worth sharing.
  explicit ThreadPool(int threads) : threads_(threads) {}
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  /// Runs the whole grid and returns. `work` is scalar operations for one iteration. A launch that is not small must
  /// come from one thread at a time.
  void launch(KernelEntry entry, void* const* buffers, const int64_t* dims, int64_t grid, double work);

 private:
  struct Launch {
    KernelEntry entry;
    void* const* buffers;
    const int64_t* dims;
    int64_t grid;
    int64_t chunk;
    alignas(64) std::atomic<int64_t> next{0};
  };

  static void takeChunks(Launch& launch);
  void serve(uint64_t seen);
  void waitForLaunch(uint64_t seen);

  const int threads_;
  std::vector<std::thread> helpers_;
  alignas(64) std::atomic<Launch*> current_{nullptr};
  std::atomic<uint64_t> launches_{0};
  std::atomic<bool> closing_{false};
  alignas(64) std::atomic<int> inside_{0};
  std::atomic<int> asleep_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace tsdlc
