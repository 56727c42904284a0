#include "run-queue.h"

#include <utility>

#include "spin.h"

namespace tsdlc {

namespace {

/// Jobs beyond which the caller waits, and the ones that are left when it goes on. Far more than it takes to keep a
/// device busy; a kilobyte or so each.
constexpr size_t mostUnfinished = 4096;
constexpr size_t leftUnfinished = 2048;

}  // namespace

void RunQueue::push(std::unique_ptr<Job> job) {
  if (unfinished_.load() >= mostUnfinished) waitForRoom(leftUnfinished);
  if (!thread_.joinable() && !closing_.load()) thread_ = std::thread([this] { work(); });
  bool wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closing_.load()) {
      job->abandon();
      return;
    }
    jobs_.push_back(std::move(job));
    unfinished_.fetch_add(1);
    wake = asleep_;
  }
  if (wake) added_.notify_one();
}

void RunQueue::waitForRoom(size_t unfinished) {
  wait([this, unfinished] { return unfinished_.load() <= unfinished || closing_.load(); });
}

void RunQueue::wait(const std::function<bool()>& done) {
  if (spinBriefly(done)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  ended_.wait(lock, done);
}

void RunQueue::close() {
  std::deque<std::unique_ptr<Job>> rest;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_.store(true);
    rest.swap(jobs_);
  }
  added_.notify_one();
  if (thread_.joinable()) thread_.join();
  for (const std::unique_ptr<Job>& job : rest) job->abandon();
}

void RunQueue::work() {
  while (std::unique_ptr<Job> job = take()) {
    job->execute();
    // Released before the job counts as finished, so that an idle queue holds no memory.
    job.reset();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      unfinished_.fetch_sub(1);
    }
    ended_.notify_all();
  }
}

std::unique_ptr<Job> RunQueue::take() {
  spinBriefly([this] { return unfinished_.load() != 0 || closing_.load(); });
  std::unique_lock<std::mutex> lock(mutex_);
  asleep_ = true;
  added_.wait(lock, [this] { return !jobs_.empty() || closing_.load(); });
  asleep_ = false;
  if (closing_.load()) return nullptr;
  std::unique_ptr<Job> job = std::move(jobs_.front());
  jobs_.pop_front();
  return job;
}

}  // namespace tsdlc
