// Reading back: bytes of a storage into an ArrayBuffer, once the runs before have ended.
//
// The one idea: the copy waits its turn in the queue like any job, on the queue's thread, and only settling the
// promise comes back to the JavaScript thread.

#pragma once

#include <napi.h>

#include <memory>

#include "run-queue.h"
#include "storage.h"

namespace tsdlc {

/// Brings finished reads back to the JavaScript thread; keeps the process alive while there are unfinished ones.
class ReadChannel {
 public:
  explicit ReadChannel(Napi::Env env);
  ~ReadChannel();
  ReadChannel(const ReadChannel&) = delete;
  ReadChannel& operator=(const ReadChannel&) = delete;

  /// A promise of the ArrayBuffer, filled; or, without a storage, of the moment when all earlier jobs have ended.
  /// `owner`, the JavaScript object that this channel is part of, stays alive until then.
  Napi::Value read(RunQueue& queue, Napi::Value owner, std::shared_ptr<Storage> storage, Napi::Value into);

  /// The environment is being torn down and ends the function itself, before it finalizes objects.
  void abandon() { function_ = nullptr; }

 private:
  class Read;
  struct Settled;
  static void settle(napi_env env, napi_value, void* context, void* data);

  Napi::Env env_;
  napi_threadsafe_function function_ = nullptr;
  /// Touched on the JavaScript thread only.
  int unfinished_ = 0;
};

/// The JavaScript error for a failed run; its `code` is TSDLC_OUT_OF_MEMORY or TSDLC_RUN_FAILED.
Napi::Error errorOf(Napi::Env env, const Failure& failure);

}  // namespace tsdlc
