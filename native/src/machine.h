// What is behind a device object: memory, a queue, and how bytes get in and out. One class for each kind of device.
//
// The one idea: everything that JavaScript asks for is a job in one queue, so its order is the order of the calls. What
// a job does is the device's business: on the CPU it is the work itself, on a GPU it puts the work into streams.

#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "allocator.h"
#include "failure.h"
#include "plan.h"
#include "run-queue.h"
#include "storage.h"

namespace tsdlc {

/// Who waits for a read. Ends by `finish`, on any thread, or by being destroyed when nobody can be told any more.
class Completion {
 public:
  virtual ~Completion() = default;
  /// Null when all went well.
  virtual void finish(FailureReference failure) = 0;
};

/// Outlives every job, run and handle. Its methods are called on the JavaScript thread.
class Machine {
 public:
  explicit Machine(std::shared_ptr<Allocator> memory) : allocator(std::move(memory)) {}
  virtual ~Machine() = default;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// A storage with a copy of the bytes, which the caller may change at once; throws Failed.
  virtual std::shared_ptr<Storage> write(const void* bytes, size_t count) = 0;
  /// Copies a storage into `into` when what was queued before has ended; without a storage only waits for that.
  virtual void read(std::shared_ptr<Storage> storage, void* into, std::unique_ptr<Completion> completion) = 0;
  /// The same, blocking; why there is nothing to read, or null.
  virtual FailureReference readNow(const std::shared_ptr<Storage>& storage, void* into) = 0;
  /// Before something is written: when much of the memory is in use, runs that hold some of it end first. A loop that
  /// never waits and brings new data with each step would else have all of them in memory.
  void easePressure() {
    if (!queue.idle() && allocator->use().live > allocator->limit() / pressure) queue.waitForRoom(fewUnfinished);
  }
  /// What `allocator` has given out, and all that is kept for later.
  virtual Allocator::Use use() const { return allocator->use(); }
  /// Gives unused memory back to the system.
  virtual void trim() { allocator->trim(0); }
  /// Ends all threads; what is queued is abandoned.
  virtual void close() { queue.close(); }
  /// `whose` is a program's name with ": ", or nothing.
  virtual FailureReference outOfMemory(const std::string& whose, const char* what, size_t bytes) const = 0;

  const std::shared_ptr<Allocator> allocator;
  RunQueue queue;

 private:
  static constexpr size_t pressure = 8;
  static constexpr size_t fewUnfinished = 64;
};

}  // namespace tsdlc
