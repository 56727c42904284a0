// What the JavaScript classes of all devices have in common: buffers in and out, waiting, memory.

#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "handle.h"
#include "machine.h"
#include "read.h"

namespace tsdlc {

/// `Self` is the class itself, as Napi::ObjectWrap wants it. It calls `start` before its constructor ends.
template <typename Self>
class DeviceObject : public Napi::ObjectWrap<Self> {
 public:
  explicit DeviceObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Self>(info), channel_(info.Env()) {}

  ~DeviceObject() override {
    if (machine_ == nullptr) return;
    napi_remove_env_cleanup_hook(this->Env(), endWithEnvironment, this);
    machine_->close();
  }

 protected:
  using Members = std::vector<Napi::ClassPropertyDescriptor<Self>>;

  static Members commonMembers() {
    using Object = Napi::ObjectWrap<Self>;
    return {
        Object::InstanceMethod("write", &DeviceObject::write),
        Object::InstanceMethod("read", &DeviceObject::read),
        Object::InstanceMethod("readSync", &DeviceObject::readSync),
        Object::InstanceMethod("release", &DeviceObject::release),
        Object::InstanceMethod("sync", &DeviceObject::sync),
        Object::InstanceMethod("memory", &DeviceObject::memory),
        Object::InstanceMethod("trim", &DeviceObject::trim),
    };
  }

  void start(std::shared_ptr<Machine> machine) {
    machine_ = std::move(machine);
    // Registered after the channel, so run before the channel's own end: threads may still use it.
    napi_add_env_cleanup_hook(this->Env(), endWithEnvironment, this);
  }

  /// write(bytes: Uint8Array): handle of a copy
  Napi::Value write(const Napi::CallbackInfo& info) {
    const auto bytes = info[0].As<Napi::Uint8Array>();
    int64_t adjustment = 0;
    machine_->easePressure();
    try {
      const Napi::Value handle = newHandle(info.Env(), machine_->write(bytes.Data(), bytes.ByteLength()), adjustment);
      Napi::MemoryManagement::AdjustExternalMemory(info.Env(), adjustment);
      return handle;
    } catch (const Failed& stopped) {
      throw errorOf(info.Env(), *stopped.failure);
    }
  }

  /// read(handle, into: ArrayBuffer): Promise<ArrayBuffer>
  Napi::Value read(const Napi::CallbackInfo& info) {
    const std::shared_ptr<Storage> storage = storageOf(info[0]);
    requireRoom(info, *storage);
    return channel_.read(*machine_, info.This(), storage, info[1]);
  }

  /// readSync(handle, into: ArrayBuffer): the ArrayBuffer, after waiting for the run that fills the buffer
  Napi::Value readSync(const Napi::CallbackInfo& info) {
    const std::shared_ptr<Storage> storage = storageOf(info[0]);
    requireRoom(info, *storage);
    const FailureReference failure = machine_->readNow(storage, info[1].As<Napi::ArrayBuffer>().Data());
    if (failure != nullptr) throw errorOf(info.Env(), *failure);
    return info[1];
  }

  /// release(handle): the handle is dead; its memory goes when no other handle and no queued run needs it
  void release(const Napi::CallbackInfo& info) {
    const int64_t freed = handleOf(info[0]).release();
    if (freed != 0) Napi::MemoryManagement::AdjustExternalMemory(info.Env(), -freed);
  }

  /// sync(): Promise<void>, when everything queued so far has ended
  Napi::Value sync(const Napi::CallbackInfo& info) {
    return channel_.read(*machine_, info.This(), nullptr, info.Env().Undefined());
  }

  /// memory(): [live, peak, cached] in bytes
  Napi::Value memory(const Napi::CallbackInfo& info) {
    const Allocator::Use use = machine_->use();
    Napi::Array counts = Napi::Array::New(info.Env(), 3);
    counts.Set(0u, static_cast<double>(use.live));
    counts.Set(1u, static_cast<double>(use.peak));
    counts.Set(2u, static_cast<double>(use.cached));
    return counts;
  }

  void trim(const Napi::CallbackInfo&) { machine_->trim(); }

 private:
  static void endWithEnvironment(void* object) {
    auto* device = static_cast<DeviceObject*>(object);
    device->machine_->close();
    device->channel_.abandon();
  }

  static void requireRoom(const Napi::CallbackInfo& info, const Storage& storage) {
    if (!info[1].IsArrayBuffer() || info[1].As<Napi::ArrayBuffer>().ByteLength() != storage.bytes()) {
      throw Napi::RangeError::New(info.Env(), "reading a buffer needs an ArrayBuffer of its " +
                                                  std::to_string(storage.bytes()) + " bytes");
    }
  }

  std::shared_ptr<Machine> machine_;
  ReadChannel channel_;
};

}  // namespace tsdlc
