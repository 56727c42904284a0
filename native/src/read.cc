#include "read.h"

#include <utility>

namespace tsdlc {

Napi::Error errorOf(Napi::Env env, const Failure& failure) {
  const char* code = "TSDLC_RUN_FAILED";
  if (failure.kind == Failure::Kind::outOfMemory) code = "TSDLC_OUT_OF_MEMORY";
  if (failure.kind == Failure::Kind::deviceLost) code = "TSDLC_DEVICE_LOST";
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

/// The JavaScript half of a read: made, settled and deleted on the JavaScript thread.
struct ReadChannel::Settled {
  explicit Settled(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise::Deferred deferred;
  Napi::Reference<Napi::Value> into;
  Napi::Reference<Napi::Value> owner;
  FailureReference failure;

  /// The environment is being torn down: no promise can be settled any more, and its references end with it.
  void abandon() {
    into.SuppressDestruct();
    owner.SuppressDestruct();
  }
};

class ReadChannel::Settling : public Completion {
 public:
  Settling(napi_threadsafe_function function, Settled* settled) : function_(function), settled_(settled) {}
  ~Settling() override {
    if (settled_ == nullptr) return;
    settled_->abandon();
    delete settled_;
  }

  void finish(FailureReference failure) override {
    settled_->failure = std::move(failure);
    napi_call_threadsafe_function(function_, std::exchange(settled_, nullptr), napi_tsfn_nonblocking);
  }

 private:
  napi_threadsafe_function function_;
  Settled* settled_;
};

ReadChannel::ReadChannel(Napi::Env env) : env_(env) {
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "tsdlc read"), 0, 1, nullptr, nullptr, this, settle, &function_);
  if (status != napi_ok) throw Napi::Error::New(env, "the channel for reading buffers cannot be made");
  napi_unref_threadsafe_function(env, function_);
}

ReadChannel::~ReadChannel() {
  if (function_ != nullptr) napi_release_threadsafe_function(function_, napi_tsfn_abort);
}

Napi::Value ReadChannel::read(Machine& machine, Napi::Value owner, std::shared_ptr<Storage> storage, Napi::Value into) {
  auto settled = std::make_unique<Settled>(env_);
  settled->owner = Napi::Reference<Napi::Value>::New(owner, 1);
  void* data = nullptr;
  if (storage != nullptr) {
    data = into.As<Napi::ArrayBuffer>().Data();
    settled->into = Napi::Reference<Napi::Value>::New(into, 1);
  }
  Napi::Promise promise = settled->deferred.Promise();
  machine.read(std::move(storage), data, std::make_unique<Settling>(function_, settled.release()));
  if (unfinished_++ == 0) napi_ref_threadsafe_function(env_, function_);
  return promise;
}

void ReadChannel::settle(napi_env rawEnv, napi_value, void* context, void* data) {
  std::unique_ptr<Settled> settled(static_cast<Settled*>(data));
  // Null while the environment is torn down.
  if (rawEnv == nullptr) {
    settled->abandon();
    return;
  }
  Napi::Env env(rawEnv);
  Napi::HandleScope scope(env);
  auto* channel = static_cast<ReadChannel*>(context);
  if (--channel->unfinished_ == 0) napi_unref_threadsafe_function(env, channel->function_);
  if (settled->failure != nullptr) settled->deferred.Reject(errorOf(env, *settled->failure).Value());
  else settled->deferred.Resolve(settled->into.IsEmpty() ? env.Undefined() : settled->into.Value());
}

}  // namespace tsdlc
