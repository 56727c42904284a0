// A storage: the memory behind one or more handles, and whether its bytes are there yet.
//
// The one idea: a call returns before its results exist. A storage starts pending, gets its memory when the run that
// fills it comes up in the queue, and ends ready or failed. Once ready its bytes never change while a JavaScript
// handle refers to it, so it may be read from any thread. When a run reuses donated memory, a new storage takes the
// memory over: being ready is then a fact about one value, not about a place.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "allocator.h"
#include "failure.h"

namespace tsdlc {

class Storage {
 public:
  enum class State { pending, ready, failed };

  Storage(std::shared_ptr<Allocator> allocator, size_t bytes);
  /// A part of another storage, which it keeps alive and which has its memory; ready from the start, since what fills
  /// the whole is queued before anything that could read the part.
  Storage(std::shared_ptr<Storage> whole, size_t offset, size_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  /// Gets the memory if it is not there yet; false when there is none.
  bool reserve();
  /// Takes over another storage's memory, which that one may still point to but no longer owns.
  void takeFrom(Storage& other);
  /// A part of another storage has no memory of its own to give away.
  bool canGive() const { return whole_ == nullptr; }
  void* data() const { return data_; }
  /// The start of the allocation that holds the data.
  void* block() const { return whole_ != nullptr ? whole_->data() : data_; }
  size_t bytes() const { return bytes_; }

  State state() const { return state_.load(std::memory_order_acquire); }
  void setReady() { state_.store(State::ready, std::memory_order_release); }
  void setFailed(FailureReference failure);
  /// Only while failed.
  const FailureReference& failure() const { return failure_; }

  /// JavaScript handles that refer to this storage; touched on the JavaScript thread only.
  int handles = 0;
  /// The last run that marked this storage as donated; touched on the JavaScript thread only.
  uint64_t donatedInRun = 0;
  int donatedAsLeaf = 0;

 private:
  std::shared_ptr<Allocator> allocator_;
  std::shared_ptr<Storage> whole_;
  void* data_ = nullptr;
  bool owned_ = true;
  size_t bytes_;
  std::atomic<State> state_{State::pending};
  FailureReference failure_;
};

}  // namespace tsdlc
