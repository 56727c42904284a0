#include "thread-pool.h"

#include <algorithm>

#include "spin.h"

namespace tsdlc {

namespace {

/// Chunks for each thread: enough that a thread which the system interrupts delays the end by little.
constexpr int64_t chunksPerThread = 8;
/// Scalar operations from which on a second thread pays: vector code does tens of them in a nanosecond, and handing
/// over a launch and waiting for its end take a few microseconds.
constexpr double worthSharing = 300000;
/// Scalar operations for which taking a chunk (one contended atomic) is worth it.
constexpr double smallestChunk = 60000;

}  // namespace

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_.store(true);
  }
  wake_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void ThreadPool::launch(KernelEntry entry, void* const* buffers, const int64_t* dims, int64_t grid, double work) {
  if (grid <= 0) return;
  if (threads_ == 1 || grid == 1 || static_cast<double>(grid) * work < worthSharing) {
    entry(buffers, dims, 0, grid);
    return;
  }
  if (helpers_.empty()) {
    for (int i = 1; i < threads_; i++) helpers_.emplace_back([this, seen = launches_.load()] { serve(seen); });
  }
  const int64_t pieces = threads_ * chunksPerThread;
  const int64_t worthwhile = static_cast<int64_t>(std::min(smallestChunk / work, static_cast<double>(grid)));
  Launch launch{entry, buffers, dims, grid, std::max((grid + pieces - 1) / pieces, worthwhile)};

  // All four operations below are sequentially consistent, which both hand-overs rely on. Waking: either a helper
  // going to sleep sees the new count, or this thread sees it asleep. Leaving: either a late helper sees no current
  // launch, or this thread sees it inside.
  current_.store(&launch);
  launches_.fetch_add(1);
  if (asleep_.load() > 0) {
    { std::lock_guard<std::mutex> lock(mutex_); }
    wake_.notify_all();
  }
  takeChunks(launch);
  current_.store(nullptr);
  spinUntil([this] { return inside_.load() == 0; });
}

void ThreadPool::takeChunks(Launch& launch) {
  for (;;) {
    const int64_t begin = launch.next.fetch_add(launch.chunk, std::memory_order_relaxed);
    if (begin >= launch.grid) return;
    launch.entry(launch.buffers, launch.dims, begin, std::min(begin + launch.chunk, launch.grid));
  }
}

void ThreadPool::serve(uint64_t seen) {
  for (;;) {
    waitForLaunch(seen);
    if (closing_.load()) return;
    seen = launches_.load();
    inside_.fetch_add(1);
    if (Launch* launch = current_.load()) takeChunks(*launch);
    inside_.fetch_sub(1);
  }
}

void ThreadPool::waitForLaunch(uint64_t seen) {
  const auto called = [this, seen] { return launches_.load() != seen || closing_.load(); };
  if (spinBriefly(called, betweenCalls)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  asleep_.fetch_add(1);
  wake_.wait(lock, called);
  asleep_.fetch_sub(1);
}

}  // namespace tsdlc
