// Streams and events. A stream is a queue with a thread of its own: calls return when work is queued, as on a real
// device, and a result that is read without waiting is read too early.
//
// Work lies in the queue for the time that the setting `lag` says before it starts, unless somebody waits for it: so
// what forgets to wait is wrong every time and not once in a hundred runs, and what waits loses no time.

#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "driver.h"

namespace tsdlc::standin {

/// Success, or what makes the context fail. Runs on a stream's thread, without the lock, each time anew in a graph.
using Work = std::function<CUresult()>;

class Queue;

/// A moment in a queue: when as many items as the ticket says are done.
struct Moment {
  std::shared_ptr<Queue> queue;
  uint64_t ticket = 0;
  bool reached() const;
};

/// All of its members are guarded by the driver's mutex.
class Queue : public std::enable_shared_from_this<Queue> {
 public:
  static std::shared_ptr<Queue> start();
  void push(Work work, std::vector<Moment> after);
  /// When all that is queued so far is done.
  Moment end() { return {shared_from_this(), issued_}; }
  /// Work up to here starts now.
  void demand(uint64_t ticket);
  bool done(uint64_t ticket) const { return finished_ >= ticket; }
  /// Ends the thread when the queue is empty.
  void close();

 private:
  struct Item {
    Work work;
    std::vector<Moment> after;
    std::chrono::steady_clock::time_point due;
  };
  void serve();

  std::deque<Item> items_;
  uint64_t issued_ = 0;
  uint64_t finished_ = 0;
  uint64_t demanded_ = 0;
  bool closed_ = false;
};

struct Capture;

}  // namespace tsdlc::standin

struct CUstream_st {
  std::shared_ptr<tsdlc::standin::Queue> queue;
  /// Waits for the default stream and is waited for by it.
  bool blocking = true;
  std::shared_ptr<tsdlc::standin::Capture> capture;
  /// Nodes of the capture that the next one must come after.
  std::vector<size_t> frontier;
};

struct CUevent_st {
  bool timed = true;
  std::optional<tsdlc::standin::Moment> moment;
  /// Written by the stream's thread.
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
  /// Where it was last recorded in a capture.
  std::shared_ptr<tsdlc::standin::Capture> capture;
  std::vector<size_t> frontier;
};

namespace tsdlc::standin {

/// The stream behind a handle, the default one for null; null where there is no such stream.
CUstream streamOf(CUstream handle);

/// Queues work, or adds it to the graph that the stream captures.
CUresult submit(CUstream stream, Work work);

/// Waits with the lock let go; someone waits, so all work before that moment starts at once.
void await(Lock& lock, const Moment& moment);
void finishAll(Lock& lock);

/// For calls that would wait for the device: an error while a capture forbids them, which spoils the capture.
CUresult refuseWhileCapturing();

}  // namespace tsdlc::standin
