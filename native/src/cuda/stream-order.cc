#include "stream-order.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "../spin.h"

namespace tsdlc::cuda {

namespace {

constexpr size_t runsRemembered = 8;

/// A GPU's step is rarely shorter; asking costs the driver less than a microsecond.
constexpr std::chrono::microseconds spinTime{100};
constexpr std::chrono::microseconds longestSleep{200};

void raise(std::atomic<uint64_t>& known, uint64_t number) {
  uint64_t current = known.load();
  while (current < number && !known.compare_exchange_weak(current, number)) {
  }
}

}  // namespace

StreamOrder::StreamOrder(std::shared_ptr<Context> context) : context_(std::move(context)) {
  context_->enter();
  for (CUstream& stream : streams_) {
    context_->check(context_->driver().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "making a stream");
  }
  context_->check(context_->driver().cuStreamCreate(&capture_, CU_STREAM_NON_BLOCKING), "making a stream");
  context_->suspects = [this] { return suspects(); };
}

StreamOrder::~StreamOrder() {
  const Driver& driver = context_->driver();
  context_->enter();
  notes_.clear();
  for (CUstream stream : streams_) {
    driver.cuStreamSynchronize(stream);
    driver.cuStreamDestroy_v2(stream);
  }
  driver.cuStreamDestroy_v2(capture_);
  for (CUevent event : spareEvents_) driver.cuEventDestroy_v2(event);
  context_->suspects = nullptr;
}

void StreamOrder::begin(Lane lane, const std::vector<Access>& accesses) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const Access& access : accesses) {
    const auto found = notes_.find(access.block);
    if (found == notes_.end()) continue;
    await(lane, found->second.written);
    if (!access.writes) continue;
    for (const Mark& read : found->second.read) await(lane, read);
  }
}

Mark StreamOrder::end(Lane lane, const std::vector<Access>& accesses, const std::string& name) {
  std::lock_guard<std::mutex> lock(mutex_);
  Mark mark = markLocked(lane);
  for (const Access& access : accesses) {
    Notes& notes = notes_[access.block];
    if (!access.writes) {
      notes.read[lane] = mark;
      continue;
    }
    // Whatever else used the block comes before this work, so waiting for it is enough.
    notes.written = mark;
    notes.read = {};
  }
  if (!name.empty()) {
    std::lock_guard<std::mutex> runs(runsMutex_);
    runs_.emplace_back(mark->number, name);
    if (runs_.size() > runsRemembered) runs_.pop_front();
  }
  return mark;
}

void StreamOrder::forget(const void* block) {
  std::lock_guard<std::mutex> lock(mutex_);
  notes_.erase(block);
}

void StreamOrder::await(Lane waiter, const Mark& mark) {
  if (mark == nullptr || mark->lane == waiter) return;
  uint64_t& waited = waited_[waiter][mark->lane];
  if (mark->number <= waited || mark->number <= ended_[mark->lane].load()) return;
  context_->check(context_->driver().cuStreamWaitEvent(streams_[waiter], mark->event, 0), "ordering streams");
  waited = mark->number;
}

Mark StreamOrder::markLocked(Lane lane) {
  const Driver& driver = context_->driver();
  CUevent event = nullptr;
  {
    std::lock_guard<std::mutex> lock(eventsMutex_);
    if (!spareEvents_.empty()) {
      event = spareEvents_.back();
      spareEvents_.pop_back();
    }
  }
  if (event == nullptr) context_->check(driver.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), "making an event");
  // From here on the event is the mark's, also when recording it fails.
  Mark mark(new Event{event, lane, ++recorded_[lane], waited_[lane]}, [this](const Event* ended) {
    recycle(ended->event);
    delete ended;
  });
  context_->check(driver.cuEventRecord(event, streams_[lane]), "recording an event");
  return mark;
}

/// An event may be recorded anew while streams still wait for it: they wait for what it stood for when they were told to.
void StreamOrder::recycle(CUevent event) {
  std::lock_guard<std::mutex> lock(eventsMutex_);
  spareEvents_.push_back(event);
}

bool StreamOrder::hasEnded(const Mark& mark) {
  if (mark->number <= ended_[mark->lane].load()) return true;
  const CUresult result = context_->driver().cuEventQuery(mark->event);
  if (result == CUDA_ERROR_NOT_READY) return false;
  context_->check(result, "waiting for the GPU");
  raise(ended_[mark->lane], mark->number);
  for (int lane = 0; lane < lanes; lane++) raise(ended_[lane], mark->after[lane]);
  return true;
}

bool StreamOrder::wait(const Mark& mark, const std::atomic<bool>& closing) {
  if (spinBriefly([&] { return hasEnded(mark) || closing.load(); }, spinTime)) return hasEnded(mark);
  std::chrono::microseconds sleep{20};
  while (!hasEnded(mark)) {
    if (closing.load()) return false;
    std::this_thread::sleep_for(sleep);
    sleep = std::min(2 * sleep, longestSleep);
  }
  return true;
}

std::string StreamOrder::suspects() const {
  std::string names;
  std::lock_guard<std::mutex> lock(runsMutex_);
  for (const auto& [number, name] : runs_) {
    if (number > ended_[compute].load()) names += (names.empty() ? "" : ", ") + name;
  }
  if (names.empty()) return "";
  return "; the runs that had not ended, latest last, are " + names + ", and with CUDA_LAUNCH_BLOCKING=1 the kernel that fails is named";
}

}  // namespace tsdlc::cuda
