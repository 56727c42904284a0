// Reading back: how the end of a read, on whatever thread, comes to the JavaScript thread and settles a promise.

#pragma once

#include <napi.h>

#include <memory>

#include "failure.h"
#include "machine.h"

namespace tsdlc {

/// Brings finished reads back to the JavaScript thread; keeps the process alive while there are unfinished ones.
class ReadChannel {
 public:
  explicit ReadChannel(Napi::Env env);
  ~ReadChannel();
  ReadChannel(const ReadChannel&) = delete;
  ReadChannel& operator=(const ReadChannel&) = delete;

  /// A promise of the ArrayBuffer `into`, filled; or, without a storage, of the moment when all earlier jobs have ended.
  /// `owner`, the JavaScript object that this channel is part of, stays alive until then.
  Napi::Value read(Machine& machine, Napi::Value owner, std::shared_ptr<Storage> storage, Napi::Value into);

  /// The environment is being torn down and ends the function itself, before it finalizes objects.
  void abandon() { function_ = nullptr; }

 private:
  class Settling;
  struct Settled;
  static void settle(napi_env env, napi_value, void* context, void* data);

  Napi::Env env_;
  napi_threadsafe_function function_ = nullptr;
  /// Touched on the JavaScript thread only.
  int unfinished_ = 0;
};

/// The JavaScript error for a failure; its `code` is TSDLC_OUT_OF_MEMORY, TSDLC_DEVICE_LOST or TSDLC_RUN_FAILED.
Napi::Error errorOf(Napi::Env env, const Failure& failure);

}  // namespace tsdlc
