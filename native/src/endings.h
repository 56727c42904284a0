// Endings: which objects of JavaScript are no longer there, for memory that only JavaScript can release.
//
// The one idea: a FinalizationRegistry tells it at the next turn of the event loop, and a loop that never waits has none.
// Here the collector writes down a number at once, and whoever is about to allocate asks for the numbers. The bytes that
// hang on an object are reported to V8, so that the collector runs in time.

#pragma once

#include <napi.h>

#include <memory>
#include <vector>

namespace tsdlc {

class Endings : public Napi::ObjectWrap<Endings> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Endings", {InstanceMethod<&Endings::watch>("watch"), InstanceMethod<&Endings::forget>("forget"), InstanceMethod<&Endings::take>("take")});
  }

  explicit Endings(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Endings>(info), ended_(std::make_shared<std::vector<double>>()) {}

 private:
  struct Watched {
    /// Null once it was forgotten.
    std::shared_ptr<std::vector<double>> ended;
    double number;
    int64_t bytes;
  };

  /// watch(number, bytes): a token; when it is collected, `take` tells the number
  Napi::Value watch(const Napi::CallbackInfo& info) {
    const int64_t bytes = info[1].As<Napi::Number>().Int64Value();
    auto* watched = new Watched{ended_, info[0].As<Napi::Number>().DoubleValue(), bytes};
    Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes);
    return Napi::External<Watched>::New(info.Env(), watched, [](Napi::BasicEnv finalizing, Watched* collected) {
      if (collected->ended != nullptr) {
        collected->ended->push_back(collected->number);
        Napi::MemoryManagement::AdjustExternalMemory(finalizing, -collected->bytes);
      }
      delete collected;
    });
  }

  /// forget(token): what it stood for was released by hand
  void forget(const Napi::CallbackInfo& info) {
    Watched& watched = *info[0].As<Napi::External<Watched>>().Data();
    if (watched.ended == nullptr) return;
    watched.ended.reset();
    Napi::MemoryManagement::AdjustExternalMemory(info.Env(), -watched.bytes);
  }

  /// take(): the numbers of what was collected since the last time; undefined when there are none
  Napi::Value take(const Napi::CallbackInfo& info) {
    if (ended_->empty()) return info.Env().Undefined();
    Napi::Float64Array numbers = Napi::Float64Array::New(info.Env(), ended_->size());
    for (size_t i = 0; i < ended_->size(); i++) numbers[i] = (*ended_)[i];
    ended_->clear();
    return numbers;
  }

  /// Touched on the JavaScript thread only, which collections are on as well.
  const std::shared_ptr<std::vector<double>> ended_;
};

}  // namespace tsdlc
