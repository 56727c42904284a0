// What is done when the GPU has come to a mark: one thread that waits for marks in the order in which they were added.

#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "stream-order.h"

namespace tsdlc::cuda {

class Completions {
 public:
  /// Gets null, or why the work before the mark failed. Destroyed uncalled when the thread ends first.
  using Action = std::function<void(const FailureReference&)>;

  explicit Completions(StreamOrder& order) : order_(order) {}
  ~Completions() { close(); }
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;

  /// Called by one thread at a time.
  void add(Mark mark, Action action);
  /// Ends the thread; actions that are left stay until this is destroyed, since the GPU may still use what they hold.
  void close();

 private:
  struct Entry {
    Mark mark;
    Action action;
  };

  void work();

  StreamOrder& order_;
  std::mutex mutex_;
  std::condition_variable added_;
  std::deque<Entry> entries_;
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace tsdlc::cuda
