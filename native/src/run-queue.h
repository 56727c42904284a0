// The device's queue: jobs run one after another, in the order of the calls, on one thread.
//
// The one idea: order is the only synchronization between runs. A job may read whatever an earlier job wrote and
// overwrite whatever only earlier jobs read, so storages need no locks, and an arena is free again when its job ends.

#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace tsdlc {

class Job {
 public:
  virtual ~Job() = default;
  virtual void execute() = 0;
  /// Instead of `execute` when the queue closes first.
  virtual void abandon() = 0;
};

class RunQueue {
 public:
  RunQueue() = default;
  ~RunQueue() { close(); }
  RunQueue(const RunQueue&) = delete;
  RunQueue& operator=(const RunQueue&) = delete;

  /// Called, like `idle` and `wait`, on the JavaScript thread only. Blocks while very many jobs are unfinished: a loop
  /// that never waits would else be ahead of the device without bound, and all that it has queued holds memory.
  void push(std::unique_ptr<Job> job);
  /// Blocks until at most so many jobs are unfinished.
  void waitForRoom(size_t unfinished);
  /// Nothing is queued or running: the caller may execute a job itself and keep the order.
  bool idle() const { return unfinished_.load() == 0; }
  /// Blocks until `done()`, which can only change when a job ends.
  void wait(const std::function<bool()>& done);
  /// Finishes the job that is running and abandons the rest.
  void close();
  /// Long jobs look at this and stop early.
  const std::atomic<bool>& closing() const { return closing_; }

 private:
  void work();
  std::unique_ptr<Job> take();

  std::mutex mutex_;
  std::condition_variable added_;
  std::condition_variable ended_;
  std::deque<std::unique_ptr<Job>> jobs_;
  std::atomic<size_t> unfinished_{0};
  std::atomic<bool> closing_{false};
  bool asleep_ = false;
  std::thread thread_;
};

}  // namespace tsdlc
