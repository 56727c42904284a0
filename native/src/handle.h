// Handles: what JavaScript holds, one reference to a storage.
//
// The one idea: V8 sees a few bytes where megabytes hang on, so every storage that JavaScript can reach is reported to
// it once, with its size; the collector then runs in time, and finalizers release what nobody released by hand. They
// run within the collection, not at the next turn of the event loop, so that loops that never wait stay flat too; so
// they may not touch JavaScript, which a BasicEnv does not allow.

#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "storage.h"

namespace tsdlc {

struct Handle {
  explicit Handle(std::shared_ptr<Storage> reference) : storage(std::move(reference)) { storage->handles++; }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  /// Bytes that JavaScript no longer keeps alive; 0 when other handles do, or when this was released before.
  int64_t release() {
    if (storage == nullptr) return 0;
    const int64_t freed = --storage->handles == 0 ? static_cast<int64_t>(storage->bytes()) : 0;
    storage.reset();
    return freed;
  }

  /// Null after release.
  std::shared_ptr<Storage> storage;
};

/// A new JavaScript handle; adds to `adjustment` the bytes to report to V8.
inline Napi::Value newHandle(Napi::Env env, std::shared_ptr<Storage> storage, int64_t& adjustment) {
  if (storage->handles == 0) adjustment += static_cast<int64_t>(storage->bytes());
  auto* handle = new Handle(std::move(storage));
  return Napi::External<Handle>::New(env, handle, [](Napi::BasicEnv finalizing, Handle* collected) {
    const int64_t freed = collected->release();
    delete collected;
    if (freed != 0) Napi::MemoryManagement::AdjustExternalMemory(finalizing, -freed);
  });
}

inline Handle& handleOf(const Napi::Value& value) {
  if (!value.IsExternal()) throw Napi::TypeError::New(value.Env(), "a buffer handle is expected");
  return *value.As<Napi::External<Handle>>().Data();
}

/// The storage of a handle that was not released.
inline const std::shared_ptr<Storage>& storageOf(const Napi::Value& value) {
  const std::shared_ptr<Storage>& storage = handleOf(value).storage;
  if (storage == nullptr) throw Napi::Error::New(value.Env(), "the buffer was released");
  return storage;
}

}  // namespace tsdlc
