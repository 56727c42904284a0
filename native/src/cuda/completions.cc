#include "completions.h"

#include <utility>

namespace tsdlc::cuda {

void Completions::add(Mark mark, Action action) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    entries_.push_back({std::move(mark), std::move(action)});
    if (closing_.load()) return;
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  }
  added_.notify_one();
}

void Completions::close() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_.store(true);
  }
  added_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Completions::work() {
  order_.context().enter();
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    added_.wait(lock, [this] { return !entries_.empty() || closing_.load(); });
    if (closing_.load()) return;
    const Mark mark = entries_.front().mark;
    lock.unlock();
    FailureReference failure;
    bool ended = true;
    try {
      ended = order_.wait(mark, closing_);
    } catch (const Failed& stopped) {
      failure = stopped.failure;
    }
    lock.lock();
    if (!ended) return;
    Entry entry = std::move(entries_.front());
    entries_.pop_front();
    lock.unlock();
    entry.action(failure);
    entry = {};
    lock.lock();
  }
}

}  // namespace tsdlc::cuda
