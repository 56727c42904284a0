#include "stream.h"

#include <thread>

#include "graph.h"

namespace tsdlc::standin {

bool Moment::reached() const { return queue->done(ticket); }

std::shared_ptr<Queue> Queue::start() {
  auto queue = std::make_shared<Queue>();
  std::thread([queue] { queue->serve(); }).detach();
  return queue;
}

void Queue::push(Work work, std::vector<Moment> after) {
  const auto lag = std::chrono::microseconds(driver().settings.lagMicroseconds);
  items_.push_back({std::move(work), std::move(after), std::chrono::steady_clock::now() + lag});
  issued_++;
  driver().changed.notify_all();
}

void Queue::demand(uint64_t ticket) {
  if (demanded_ >= ticket) return;
  demanded_ = ticket;
  driver().changed.notify_all();
}

void Queue::close() {
  closed_ = true;
  driver().changed.notify_all();
}

void Queue::serve() {
  Lock lock(driver().mutex);
  for (;;) {
    driver().changed.wait(lock, [this] { return !items_.empty() || closed_; });
    if (items_.empty()) return;
    Item item = std::move(items_.front());
    items_.pop_front();
    driver().changed.wait_until(lock, item.due, [this] { return demanded_ > finished_; });
    for (const Moment& moment : item.after) {
      moment.queue->demand(moment.ticket);
      driver().changed.wait(lock, [&] { return moment.reached(); });
    }
    // After a failure nothing of the context runs any more; what waits is let go.
    if (item.work && driver().failure == CUDA_SUCCESS) {
      lock.unlock();
      const CUresult result = item.work();
      item.work = nullptr;
      lock.lock();
      if (driver().failure == CUDA_SUCCESS) driver().failure = result;
    }
    finished_++;
    driver().changed.notify_all();
  }
}

CUstream streamOf(CUstream handle) {
  if (handle != nullptr && handle != CU_STREAM_LEGACY) return driver().streams.count(handle) > 0 ? handle : nullptr;
  static CUstream_st& defaultStream = *new CUstream_st;
  if (defaultStream.queue == nullptr) {
    defaultStream.queue = driver().defaultQueue = Queue::start();
  }
  return &defaultStream;
}

CUresult submit(CUstream stream, Work work) {
  if (stream->capture != nullptr) return addNode(stream, std::move(work));
  std::vector<Moment> after;
  if (stream->queue == driver().defaultQueue) {
    for (CUstream other : driver().streams) {
      if (!other->blocking) continue;
      if (other->capture != nullptr) {
        other->capture->spoilt = true;
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
      }
      after.push_back(other->queue->end());
    }
  } else if (stream->blocking && driver().defaultQueue != nullptr) {
    after.push_back(driver().defaultQueue->end());
  }
  stream->queue->push(std::move(work), std::move(after));
  return CUDA_SUCCESS;
}

void await(Lock& lock, const Moment& moment) {
  moment.queue->demand(moment.ticket);
  driver().changed.wait(lock, [&] { return moment.reached(); });
}

void finishAll(Lock& lock) {
  std::vector<Moment> ends;
  if (driver().defaultQueue != nullptr) ends.push_back(driver().defaultQueue->end());
  for (CUstream stream : driver().streams) ends.push_back(stream->queue->end());
  for (const Moment& end : ends) await(lock, end);
}

}  // namespace tsdlc::standin

using namespace tsdlc::standin;

EXPORTED CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
  *stream = new CUstream_st{Queue::start(), flags != CU_STREAM_NON_BLOCKING, nullptr, {}};
  driver().streams.insert(*stream);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }

EXPORTED CUresult cuStreamDestroy_v2(CUstream handle) {
  Call call = needsContext();
  if (call.refused()) return call.result;
  if (driver().streams.erase(handle) == 0) return CUDA_ERROR_INVALID_HANDLE;
  // What is queued still runs, but nobody can wait for it any more.
  handle->queue->close();
  delete handle;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuStreamSynchronize(CUstream handle) {
  Call call = needsContext();
  if (call.refused()) return call.result;
  CUstream stream = streamOf(handle);
  if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture != nullptr) {
    stream->capture->spoilt = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  await(call.lock, stream->queue->end());
  return driver().failure;
}

EXPORTED CUresult cuStreamQuery(CUstream handle) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  CUstream stream = streamOf(handle);
  if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture != nullptr) {
    stream->capture->spoilt = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return stream->queue->end().reached() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

EXPORTED CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  CUstream stream = streamOf(handle);
  if (stream == nullptr || event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (event->capture != nullptr) return joinCapture(stream, *event);
  if (stream->capture != nullptr) {
    stream->capture->spoilt = true;
    return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  }
  if (event->moment) stream->queue->push(nullptr, {*event->moment});
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuLaunchHostFunc(CUstream handle, CUhostFn function, void* data) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  CUstream stream = streamOf(handle);
  if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  return submit(stream, [=] {
    function(data);
    return CUDA_SUCCESS;
  });
}

EXPORTED CUresult cuEventCreate(CUevent* event, unsigned flags) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (flags > (CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS)) return CUDA_ERROR_INVALID_VALUE;
  *event = new CUevent_st;
  (*event)->timed = (flags & CU_EVENT_DISABLE_TIMING) == 0;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuEventDestroy_v2(CUevent event) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  delete event;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuEventRecord(CUevent event, CUstream handle) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  CUstream stream = streamOf(handle);
  if (stream == nullptr || event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  event->capture = stream->capture;
  event->frontier = stream->frontier;
  if (stream->capture != nullptr) return CUDA_SUCCESS;
  event->time = std::make_shared<std::chrono::steady_clock::time_point>();
  const CUresult result = submit(stream, [time = event->time] {
    *time = std::chrono::steady_clock::now();
    return CUDA_SUCCESS;
  });
  event->moment = stream->queue->end();
  return result;
}

EXPORTED CUresult cuEventQuery(CUevent event) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (event->capture != nullptr) return CUDA_ERROR_CAPTURED_EVENT;
  return !event->moment || event->moment->reached() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

EXPORTED CUresult cuEventSynchronize(CUevent event) {
  Call call = needsContext();
  if (call.refused()) return call.result;
  if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (event->capture != nullptr) return CUDA_ERROR_CAPTURED_EVENT;
  if (event->moment) await(call.lock, Moment(*event->moment));
  return driver().failure;
}

EXPORTED CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (start == nullptr || end == nullptr || !start->timed || !end->timed || !start->moment || !end->moment) return CUDA_ERROR_INVALID_HANDLE;
  if (!start->moment->reached() || !end->moment->reached()) return CUDA_ERROR_NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuEventElapsedTime_v2(float* milliseconds, CUevent start, CUevent end) { return cuEventElapsedTime(milliseconds, start, end); }
