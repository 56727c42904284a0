// One GPU of the driver: its primary context, its properties, and what becomes of errors.
//
// The one idea: after some errors (a kernel that reads outside of its memory) the driver refuses everything for the rest
// of the process. The context then is lost: the first such error is kept, and is the failure of all that comes after.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "../failure.h"
#include "driver.h"

namespace tsdlc::cuda {

struct Properties {
  std::string name;
  int major = 0;
  int minor = 0;
  int multiprocessors = 0;
  int threadsPerBlock = 0;
  int sharedBytesPerBlock = 0;
  size_t memoryBytes = 0;
  bool memoryPools = false;
};

class Context {
 public:
  /// Throws Failed.
  Context(std::shared_ptr<const Driver> driver, int ordinal);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Driver& driver() const { return *driver_; }
  CUdevice device() const { return device_; }
  const Properties& properties() const { return properties_; }
  /// "cuda:0"
  const std::string& name() const { return name_; }

  /// Makes this the calling thread's context; every thread does so before its first call of the driver.
  void enter() const { driver_->cuCtxSetCurrent(context_); }

  /// Throws Failed when the result is an error. `doing()` says what failed, for the message.
  template <typename Doing>
  void check(CUresult result, Doing doing) {
    if (result != CUDA_SUCCESS) throw Failed{failureOf(result, doing())};
  }
  void check(CUresult result, const char* doing) {
    if (result != CUDA_SUCCESS) throw Failed{failureOf(result, doing)};
  }
  /// The failure for an error of the driver; one that spoils the context makes it lost.
  FailureReference failureOf(CUresult result, const std::string& doing);

  /// Null, or why the device can do nothing any more.
  FailureReference lost() const;
  bool isLost() const { return isLost_.load(std::memory_order_acquire); }
  void requireUsable() const {
    if (isLost()) throw Failed{lost()};
  }

  /// Asked once, when the device is lost: what may have been the cause, for the message. Set before the first call.
  std::function<std::string()> suspects;

 private:
  const std::shared_ptr<const Driver> driver_;
  const std::string name_;
  CUdevice device_ = 0;
  CUcontext context_ = nullptr;
  Properties properties_;
  mutable std::mutex mutex_;
  FailureReference lost_;
  std::atomic<bool> isLost_{false};
};

}  // namespace tsdlc::cuda
