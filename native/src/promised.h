// Work on a thread of Node's pool, as a promise; or at once, for callers that cannot go on without the outcome.

#pragma once

#include <napi.h>

#include <functional>
#include <optional>
#include <utility>

#include "failure.h"
#include "read.h"

namespace tsdlc {

/// Runs `work` on another thread and resolves with `finish` of its outcome, on the JavaScript thread. Failed becomes a
/// rejection; `work` throws nothing else.
template <typename Outcome>
class Promised : public Napi::AsyncWorker {
 public:
  using Work = std::function<Outcome()>;
  using Finish = std::function<Napi::Value(Napi::Env, Outcome)>;

  /// With `now`, does the work on this thread and returns what the promise would resolve with, or throws its rejection.
  static Napi::Value start(Napi::Env env, Work work, Finish finish, bool now = false) {
    if (now) {
      try {
        return finish(env, work());
      } catch (const Failed& stopped) {
        throw errorOf(env, *stopped.failure);
      }
    }
    // Deletes itself.
    auto* promised = new Promised(env, std::move(work), std::move(finish));
    const Napi::Value promise = promised->deferred_.Promise();
    promised->Queue();
    return promise;
  }

 private:
  Promised(Napi::Env env, Work work, Finish finish)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), work_(std::move(work)), finish_(std::move(finish)) {}

  void Execute() override {
    try {
      outcome_.emplace(work_());
    } catch (const Failed& stopped) {
      failure_ = stopped.failure;
    }
  }

  void OnOK() override {
    Napi::HandleScope scope(Env());
    if (failure_ != nullptr) {
      deferred_.Reject(errorOf(Env(), *failure_).Value());
      return;
    }
    try {
      deferred_.Resolve(finish_(Env(), std::move(*outcome_)));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

  Napi::Promise::Deferred deferred_;
  Work work_;
  Finish finish_;
  std::optional<Outcome> outcome_;
  FailureReference failure_;
};

}  // namespace tsdlc
