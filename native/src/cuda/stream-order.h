// The streams of a GPU, and the order between them.
//
// The one idea: a stream does its work in the order in which it was given, and knows nothing of other streams. So each
// block of memory has a note of the last work that wrote it and of the last work in each stream that read it; before a
// stream touches a block it is made to wait, on the GPU, for those works in other streams that it must come after. A
// work is known by a mark: an event recorded right after it. Blocks keep their notes while they lie unused in an
// allocator's cache, so that memory may change hands long before the GPU has done what it was last used for.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "context.h"

namespace tsdlc::cuda {

/// One stream for each kind of work, so that copies to and from the host do not wait for kernels.
enum Lane : int { compute, upload, download, memory };
constexpr int lanes = 4;

struct Access {
  /// The start of an allocation.
  const void* block;
  bool writes;
};

class StreamOrder {
 public:
  /// All work that a stream was given before the mark was made.
  struct Event {
    CUevent event;
    Lane lane;
    /// Counts the marks of its lane.
    uint64_t number;
    /// By lane: the last mark that this one's lane had waited for, so the last that has ended when this one has.
    std::array<uint64_t, lanes> after;
  };
  using Mark = std::shared_ptr<const Event>;

  /// Throws Failed.
  explicit StreamOrder(std::shared_ptr<Context> context);
  /// Waits for all work.
  ~StreamOrder();
  StreamOrder(const StreamOrder&) = delete;
  StreamOrder& operator=(const StreamOrder&) = delete;

  Context& context() const { return *context_; }
  CUstream stream(Lane lane) const { return streams_[lane]; }
  /// Work is captured into graphs here; nothing ever runs in it.
  CUstream captureStream() const { return capture_; }

  /// Before a lane is given work on these blocks. Throws Failed.
  void begin(Lane lane, const std::vector<Access>& accesses);
  /// After it was. `name`, if not empty, is a program's, for the message of a lost device. Throws Failed.
  Mark end(Lane lane, const std::vector<Access>& accesses, const std::string& name = {});
  /// The block goes back to the driver, which keeps the order of the lane `memory`.
  void forget(const void* block);

  /// Whether the work before a mark has ended. Throws Failed when it failed.
  bool hasEnded(const Mark& mark);
  /// Waits for that, on the calling thread; false when `closing` came first. Throws Failed.
  bool wait(const Mark& mark, const std::atomic<bool>& closing);

 private:
  struct Notes {
    Mark written;
    std::array<Mark, lanes> read;
  };

  void await(Lane waiter, const Mark& mark);
  Mark markLocked(Lane lane);
  void recycle(CUevent event);
  std::string suspects() const;

  const std::shared_ptr<Context> context_;
  std::array<CUstream, lanes> streams_{};
  CUstream capture_ = nullptr;
  mutable std::mutex mutex_;
  std::mutex eventsMutex_;
  std::vector<CUevent> spareEvents_;
  std::unordered_map<const void*, Notes> notes_;
  /// By waiting lane and lane: the number of the last mark that was waited for.
  std::array<std::array<uint64_t, lanes>, lanes> waited_{};
  std::array<uint64_t, lanes> recorded_{};
  /// By lane: the last mark that is known to have ended.
  std::array<std::atomic<uint64_t>, lanes> ended_{};
  /// Never held while the driver is called.
  mutable std::mutex runsMutex_;
  /// The latest runs: their marks' numbers and programs.
  std::deque<std::pair<uint64_t, std::string>> runs_;
};

using Mark = StreamOrder::Mark;

}  // namespace tsdlc::cuda
