// The addon's face: two classes, Device (memory, queue, threads) and Plan (one specialised Program), and the list of
// CPU features. Everything here runs on the JavaScript thread; the classes underneath know nothing of JavaScript.

#include <napi.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <thread>

#include "cpu-features.h"
#include "handle.h"
#include "plan.h"
#include "read.h"

namespace tsdlc {

namespace {

using Library = std::shared_ptr<KernelLibrary>;

size_t physicalBytes() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

double numberOr(const Napi::Object& options, const char* name, double otherwise) {
  const Napi::Value value = options.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : otherwise;
}

template <typename Element, typename Array>
std::vector<Element> vectorOf(const Napi::Object& description, const char* name) {
  const Array array = description.Get(name).As<Array>();
  return std::vector<Element>(array.Data(), array.Data() + array.ElementLength());
}

std::vector<size_t> sizesOf(const Napi::Object& description, const char* name) {
  return vectorOf<size_t, Napi::Float64Array>(description, name);
}

Napi::Error outOfMemory(Napi::Env env, size_t bytes) {
  return errorOf(env, Failure{"out of memory: a buffer of " + std::to_string(bytes) + " bytes cannot be had", true});
}

}  // namespace

class Device : public Napi::ObjectWrap<Device> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Device", {
        InstanceMethod<&Device::write>("write"),
        InstanceMethod<&Device::read>("read"),
        InstanceMethod<&Device::readSync>("readSync"),
        InstanceMethod<&Device::release>("release"),
        InstanceMethod<&Device::sync>("sync"),
        InstanceMethod<&Device::memory>("memory"),
        InstanceMethod<&Device::trim>("trim"),
        InstanceMethod<&Device::openLibrary>("openLibrary"),
        InstanceAccessor<&Device::threads>("threads"),
    });
  }

  /// new Device({ threads?, cacheBytes?, limitBytes? })
  explicit Device(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Device>(info), channel_(info.Env()) {
    const Napi::Object options = info[0].As<Napi::Object>();
    const double physical = static_cast<double>(physicalBytes());
    const int threads = static_cast<int>(numberOr(options, "threads", std::max(1u, std::thread::hardware_concurrency())));
    machine_ = std::make_shared<Machine>(
        std::make_shared<Allocator>(static_cast<size_t>(numberOr(options, "cacheBytes", physical / 4)),
                                    static_cast<size_t>(numberOr(options, "limitBytes", physical))),
        std::max(1, threads));
    // Registered after the channel, so run before the channel's own end: the queue's thread may still use it.
    napi_add_env_cleanup_hook(info.Env(), endWithEnvironment, this);
  }

  ~Device() override {
    napi_remove_env_cleanup_hook(Env(), endWithEnvironment, this);
    machine_->queue.close();
  }

  const std::shared_ptr<Machine>& machine() const { return machine_; }

 private:
  static void endWithEnvironment(void* device) {
    static_cast<Device*>(device)->machine_->queue.close();
    static_cast<Device*>(device)->channel_.abandon();
  }

  /// write(bytes: Uint8Array): handle of a copy
  Napi::Value write(const Napi::CallbackInfo& info) {
    const auto bytes = info[0].As<Napi::Uint8Array>();
    auto storage = std::make_shared<Storage>(machine_->allocator, bytes.ByteLength());
    if (!storage->reserve()) throw outOfMemory(info.Env(), bytes.ByteLength());
    if (bytes.ByteLength() > 0) std::memcpy(storage->data(), bytes.Data(), bytes.ByteLength());
    storage->setReady();
    int64_t adjustment = 0;
    const Napi::Value handle = newHandle(info.Env(), std::move(storage), adjustment);
    Napi::MemoryManagement::AdjustExternalMemory(info.Env(), adjustment);
    return handle;
  }

  /// read(handle, into: ArrayBuffer): Promise<ArrayBuffer>
  Napi::Value read(const Napi::CallbackInfo& info) {
    const std::shared_ptr<Storage> storage = storageOf(info[0]);
    requireRoom(info, *storage);
    return channel_.read(machine_->queue, info.This(), storage, info[1]);
  }

  /// readSync(handle, into: ArrayBuffer): the ArrayBuffer, after waiting for the run that fills the buffer
  Napi::Value readSync(const Napi::CallbackInfo& info) {
    const std::shared_ptr<Storage> storage = storageOf(info[0]);
    requireRoom(info, *storage);
    machine_->queue.wait([&storage] { return storage->state() != Storage::State::pending; });
    if (storage->state() == Storage::State::failed) throw errorOf(info.Env(), *storage->failure());
    std::memcpy(info[1].As<Napi::ArrayBuffer>().Data(), storage->data(), storage->bytes());
    return info[1];
  }

  static void requireRoom(const Napi::CallbackInfo& info, const Storage& storage) {
    if (!info[1].IsArrayBuffer() || info[1].As<Napi::ArrayBuffer>().ByteLength() != storage.bytes()) {
      throw Napi::RangeError::New(info.Env(), "reading a buffer needs an ArrayBuffer of its " +
                                                  std::to_string(storage.bytes()) + " bytes");
    }
  }

  /// release(handle): the handle is dead; its memory goes when no other handle and no queued run needs it
  void release(const Napi::CallbackInfo& info) {
    const int64_t freed = handleOf(info[0]).release();
    if (freed != 0) Napi::MemoryManagement::AdjustExternalMemory(info.Env(), -freed);
  }

  /// sync(): Promise<void>, when everything queued so far has ended
  Napi::Value sync(const Napi::CallbackInfo& info) {
    return channel_.read(machine_->queue, info.This(), nullptr, info.Env().Undefined());
  }

  /// memory(): [live, peak, cached] in bytes
  Napi::Value memory(const Napi::CallbackInfo& info) {
    const Allocator::Use use = machine_->allocator->use();
    Napi::Array counts = Napi::Array::New(info.Env(), 3);
    counts.Set(0u, static_cast<double>(use.live));
    counts.Set(1u, static_cast<double>(use.peak));
    counts.Set(2u, static_cast<double>(use.cached));
    return counts;
  }

  void trim(const Napi::CallbackInfo&) { machine_->allocator->trim(0); }

  /// openLibrary(path: string): an opaque library
  Napi::Value openLibrary(const Napi::CallbackInfo& info) {
    try {
      auto* library = new Library(std::make_shared<KernelLibrary>(info[0].As<Napi::String>().Utf8Value()));
      return Napi::External<Library>::New(info.Env(), library, [](Napi::Env, Library* collected) { delete collected; });
    } catch (const std::runtime_error& error) {
      throw Napi::Error::New(info.Env(), error.what());
    }
  }

  Napi::Value threads(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), machine_->pool.threads()); }

  std::shared_ptr<Machine> machine_;
  ReadChannel channel_;
};

class PlanObject : public Napi::ObjectWrap<PlanObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Plan", {InstanceMethod<&PlanObject::run>("run")});
  }

  /// new Plan(device, library, description, constants?: handle); runtime/cpu-device.ts documents the description.
  explicit PlanObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PlanObject>(info) {
    machine_ = Device::Unwrap(info[0].As<Napi::Object>())->machine();
    const Napi::Object description = info[2].As<Napi::Object>();
    auto plan = std::make_shared<Plan>();
    plan->library = *info[1].As<Napi::External<Library>>().Data();
    if (!info[3].IsUndefined()) plan->constants = storageOf(info[3]);
    plan->name = description.Get("name").As<Napi::String>().Utf8Value();
    plan->dims = vectorOf<int64_t, Napi::Float64Array>(description, "dims");
    plan->code = vectorOf<int32_t, Napi::Int32Array>(description, "code");
    plan->outputs = vectorOf<int32_t, Napi::Int32Array>(description, "outputs");
    plan->parameterBytes = sizesOf(description, "parameterBytes");
    plan->donated = vectorOf<bool, Napi::Uint8Array>(description, "donated");
    plan->arenaBytes = static_cast<size_t>(numberOr(description, "arenaBytes", 0));
    readBuffers(description, *plan);
    readKernels(description, *plan);
    plan->small = numberOr(description, "work", std::numeric_limits<double>::infinity()) < ThreadPool::smallLaunch;
    try {
      plan->check();
    } catch (const std::invalid_argument& error) {
      throw Napi::Error::New(info.Env(), error.what());
    }
    plan_ = std::move(plan);
  }

 private:
  static void readBuffers(const Napi::Object& description, Plan& plan) {
    const auto kinds = vectorOf<int32_t, Napi::Int32Array>(description, "bufferKinds");
    const auto positions = sizesOf(description, "bufferPositions");
    const auto bytes = sizesOf(description, "bufferBytes");
    for (size_t i = 0; i < kinds.size(); i++) {
      plan.buffers.push_back({static_cast<BufferKind>(kinds[i]), positions.at(i), bytes.at(i)});
    }
    const auto resultBytes = sizesOf(description, "resultBytes");
    const auto reuses = vectorOf<int32_t, Napi::Int32Array>(description, "resultReuses");
    for (size_t i = 0; i < resultBytes.size(); i++) plan.results.push_back({resultBytes[i], reuses.at(i)});
  }

  static void readKernels(const Napi::Object& description, Plan& plan) {
    const auto names = description.Get("kernels").As<Napi::Array>();
    const auto grids = vectorOf<int64_t, Napi::Float64Array>(description, "grids");
    const auto works = vectorOf<double, Napi::Float64Array>(description, "works");
    for (uint32_t i = 0; i < names.Length(); i++) {
      const std::string name = names.Get(i).As<Napi::String>().Utf8Value();
      const KernelEntry entry = plan.library->find(name);
      if (entry == nullptr) {
        Napi::Error error = Napi::Error::New(description.Env(), "there is no kernel " + name);
        error.Set("code", Napi::String::New(description.Env(), "TSDLC_NO_KERNEL"));
        throw error;
      }
      plan.kernels.push_back({entry, grids.at(i), std::max(1.0, works.at(i))});
    }
  }

  /// run(handles): handles of the result leaves. Donated handles are released. Throws before anything is queued.
  Napi::Value run(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Plan& plan = *plan_;
    const auto arguments = info[0].As<Napi::Array>();
    const size_t count = plan.parameterBytes.size();
    std::vector<Handle*> handles;
    std::vector<std::shared_ptr<Storage>> inputs;
    handles.reserve(count);
    inputs.reserve(count);
    for (uint32_t leaf = 0; leaf < count; leaf++) {
      const Napi::Value value = arguments.Get(leaf);
      inputs.push_back(storageOf(value));
      handles.push_back(value.As<Napi::External<Handle>>().Data());
      if (inputs.back()->bytes() != plan.parameterBytes[leaf]) {
        throw Napi::RangeError::New(env, plan.name + ": parameter leaf " + std::to_string(leaf) + " has the wrong size");
      }
    }
    refuseSharedDonations(env, inputs);

    std::vector<Run::Result> results;
    results.reserve(plan.results.size());
    for (const Plan::Result& result : plan.results) {
      // Queued runs that still read this memory come before; only another handle could look at it after.
      const bool takes = result.reuses >= 0 && inputs[result.reuses]->handles == 1 && inputs[result.reuses]->canGive();
      results.push_back({std::make_shared<Storage>(machine_->allocator, result.bytes), takes ? result.reuses : -1});
    }
    int64_t adjustment = 0;
    Napi::Array outputs = Napi::Array::New(env, plan.outputs.size());
    for (uint32_t i = 0; i < plan.outputs.size(); i++) {
      outputs.Set(i, newHandle(env, outputStorage(plan.buffers[plan.outputs[i]], inputs, results), adjustment));
    }
    for (size_t leaf = 0; leaf < count; leaf++) {
      if (plan.donated[leaf]) adjustment -= handles[leaf]->release();
    }
    auto run = std::make_unique<Run>(*machine_, plan_, std::move(inputs), std::move(results));
    if (plan.small && machine_->queue.idle()) run->execute();
    else machine_->queue.push(std::move(run));
    if (adjustment != 0) Napi::MemoryManagement::AdjustExternalMemory(env, adjustment);
    return outputs;
  }

  /// A donated storage may be passed only once; the error's `leaves` are the two positions.
  void refuseSharedDonations(Napi::Env env, const std::vector<std::shared_ptr<Storage>>& inputs) {
    const uint64_t run = ++runs_;
    for (size_t leaf = 0; leaf < inputs.size(); leaf++) {
      if (!plan_->donated[leaf]) continue;
      if (inputs[leaf]->donatedInRun == run) throw sharedDonation(env, inputs[leaf]->donatedAsLeaf, leaf);
      inputs[leaf]->donatedInRun = run;
      inputs[leaf]->donatedAsLeaf = static_cast<int>(leaf);
    }
    for (size_t leaf = 0; leaf < inputs.size(); leaf++) {
      if (!plan_->donated[leaf] && inputs[leaf]->donatedInRun == run) {
        throw sharedDonation(env, inputs[leaf]->donatedAsLeaf, leaf);
      }
    }
  }

  static Napi::Error sharedDonation(Napi::Env env, int donated, size_t other) {
    Napi::Error error = Napi::Error::New(env, "one storage is donated and passed twice");
    Napi::Array leaves = Napi::Array::New(env, 2);
    leaves.Set(0u, donated);
    leaves.Set(1u, static_cast<double>(other));
    error.Set("leaves", leaves);
    return error;
  }

  std::shared_ptr<Storage> outputStorage(const Plan::Buffer& buffer, const std::vector<std::shared_ptr<Storage>>& inputs,
                                         const std::vector<Run::Result>& results) const {
    switch (buffer.kind) {
      case BufferKind::parameter: return inputs[buffer.position];
      case BufferKind::result: return results[buffer.position].storage;
      default: return std::make_shared<Storage>(plan_->constants, buffer.position, buffer.bytes);
    }
  }

  std::shared_ptr<Machine> machine_;
  std::shared_ptr<const Plan> plan_;
  /// Shared by all plans of the process's devices, so that a mark of one plan's run is never taken for another's.
  static thread_local uint64_t runs_;
};

thread_local uint64_t PlanObject::runs_ = 0;

namespace {

Napi::Value listCpuFeatures(const Napi::CallbackInfo& info) {
  const std::vector<std::string> names = cpuFeatures();
  Napi::Array list = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); i++) list.Set(i, Napi::String::New(info.Env(), names[i]));
  return list;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("Device", Device::define(env));
  exports.Set("Plan", PlanObject::define(env));
  exports.Set("cpuFeatures", Napi::Function::New<listCpuFeatures>(env, "cpuFeatures"));
  return exports;
}

}  // namespace

NODE_API_MODULE(tsdlc_native, initialize)

}  // namespace tsdlc
