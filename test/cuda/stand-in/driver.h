// State that all of the stand-in shares, and what every call checks first.
//
// One mutex guards everything. Work of streams runs without it. The state is never destroyed: streams may still run
// when the process ends.

#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "cuda-driver.h"
#include "settings.h"

struct CUctx_st {
  int users = 0;
};

namespace tsdlc::standin {

struct Allocation;
class Queue;

struct Driver {
  std::mutex mutex;
  /// Something that somebody may wait for has happened.
  std::condition_variable changed;
  Settings settings;
  bool initialized = false;
  CUctx_st primary;
  /// After a kernel has failed every call fails with its result, as on the real device, until the context is gone.
  CUresult failure = CUDA_SUCCESS;
  std::string message;
  /// By address of the first byte.
  std::map<CUdeviceptr, std::shared_ptr<Allocation>> allocations;
  uint64_t usedBytes = 0;
  std::map<const char*, size_t> pinned;
  /// The default stream's, then those of all streams.
  std::shared_ptr<Queue> defaultQueue;
  std::set<CUstream> streams;
  /// How many captures forbid calls that would wait for the device, of all threads.
  int strictCaptures = 0;

  /// Prints what went wrong, and keeps it for standin_message.
  void say(const std::string& text);
};

Driver& driver();

/// The context that is current in this thread.
extern thread_local CUcontext current;

using Lock = std::unique_lock<std::mutex>;

/// Holds the lock; `result` is what the call must return at once unless it is success.
struct Call {
  Lock lock;
  CUresult result;
  bool refused() const { return result != CUDA_SUCCESS; }
};

/// For calls that need cuInit and nothing else.
Call needsDriver();
/// For calls that need a current context whose work has not failed.
Call needsContext();

}  // namespace tsdlc::standin
