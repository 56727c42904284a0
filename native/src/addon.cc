// The addon's face: the class Device of the CPU, the list of its features, and what cuda/addon.h adds for GPUs.
// Everything in these files runs on the JavaScript thread; the classes underneath know nothing of JavaScript.

#include <napi.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "cpu-features.h"
#include "cpu-machine.h"
#include "cuda/addon.h"
#include "description.h"
#include "device-object.h"
#include "endings.h"
#include "plan-object.h"

namespace tsdlc {

namespace {

using Library = std::shared_ptr<KernelLibrary>;

/// Memory of JavaScript in which small buffers lie.
struct Adopted {
  std::shared_ptr<Allocator> allocator;
  size_t bytes;
};

size_t physicalBytes() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

class Device : public DeviceObject<Device> {
 public:
  static Napi::Function define(Napi::Env env) {
    Members members = commonMembers();
    members.push_back(InstanceMethod<&Device::adopt>("adopt"));
    members.push_back(InstanceMethod<&Device::openLibrary>("openLibrary"));
    members.push_back(InstanceMethod<&Device::prepare>("prepare"));
    members.push_back(InstanceAccessor<&Device::threads>("threads"));
    return DefineClass(env, "Device", members);
  }

  /// new Device({ threads?, cacheBytes?, limitBytes? })
  explicit Device(const Napi::CallbackInfo& info) : DeviceObject<Device>(info) {
    const Napi::Object options = info[0].As<Napi::Object>();
    const double physical = static_cast<double>(physicalBytes());
    const int threads = static_cast<int>(numberOr(options, "threads", std::max(1u, std::thread::hardware_concurrency())));
    machine_ = std::make_shared<CpuMachine>(
        std::make_shared<Allocator>(std::make_unique<SystemMemory>(),
                                    static_cast<size_t>(numberOr(options, "cacheBytes", physical / 4)),
                                    static_cast<size_t>(numberOr(options, "limitBytes", physical))),
        std::max(1, threads));
    start(machine_);
  }

 private:
  friend class DeviceObject<Device>;

  /// adopt(memory: ArrayBuffer): [address: number, token], for runAt; the memory counts as live as long as the token is
  /// referred to, which must not outlive it
  Napi::Value adopt(const Napi::CallbackInfo& info) {
    auto memory = info[0].As<Napi::ArrayBuffer>();
    auto* adopted = new Adopted{machine_->allocator, memory.ByteLength()};
    adopted->allocator->adopt(adopted->bytes);
    Napi::Array both = Napi::Array::New(info.Env(), 2);
    both.Set(0u, static_cast<double>(reinterpret_cast<uintptr_t>(memory.Data())));
    // Within the collection, as with handles: a loop that never waits counts right.
    both.Set(1u, Napi::External<Adopted>::New(info.Env(), adopted, [](Napi::BasicEnv, Adopted* ended) {
      ended->allocator->disown(ended->bytes);
      delete ended;
    }));
    return both;
  }

  /// openLibrary(path: string): an opaque library
  Napi::Value openLibrary(const Napi::CallbackInfo& info) {
    try {
      auto* library = new Library(std::make_shared<KernelLibrary>(info[0].As<Napi::String>().Utf8Value()));
      return Napi::External<Library>::New(info.Env(), library, [](Napi::Env, Library* collected) { delete collected; });
    } catch (const std::runtime_error& error) {
      throw Napi::Error::New(info.Env(), error.what());
    }
  }

  /// prepare(library, description, constants?: handle): Plan
  Napi::Value prepare(const Napi::CallbackInfo& info) {
    const Library& library = *info[0].As<Napi::External<Library>>().Data();
    Plan plan = planOf(info[1].As<Napi::Object>(), info[2]);
    std::vector<KernelEntry> entries;
    for (const Plan::Kernel& kernel : plan.kernels) {
      entries.push_back(library->find(kernel.entry));
      if (entries.back() == nullptr) throw noKernel(info.Env(), kernel.entry);
    }
    return PlanObject::wrap(info.Env(), machine_, std::make_shared<CpuPlan>(machine_, std::move(plan), library, std::move(entries)));
  }

  Napi::Value threads(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), machine_->pool.threads()); }

  std::shared_ptr<CpuMachine> machine_;
};

Napi::Value listCpuFeatures(const Napi::CallbackInfo& info) {
  const std::vector<std::string> names = cpuFeatures();
  Napi::Array list = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); i++) list.Set(i, Napi::String::New(info.Env(), names[i]));
  return list;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  PlanObject::define(env);
  exports.Set("Device", Device::define(env));
  exports.Set("Endings", Endings::define(env));
  exports.Set("cpuFeatures", Napi::Function::New<listCpuFeatures>(env, "cpuFeatures"));
  cuda::define(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(tsdlc_native, initialize)

}  // namespace tsdlc
