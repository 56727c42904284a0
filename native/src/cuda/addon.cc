#include "addon.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "../description.h"
#include "../device-object.h"
#include "../plan-object.h"
#include "../promised.h"
#include "cuda-machine.h"
#include "cuda-plan.h"
#include "module.h"
#include "nvrtc.h"

namespace tsdlc::cuda {

namespace {

using ModuleReference = std::shared_ptr<Module>;

/// Libraries by path: each is opened once in a process, whatever threads ask for it.
template <typename Library>
std::shared_ptr<const Library> opened(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Library>> libraries;
  std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<const Library>& library = libraries[path];
  if (library == nullptr) library = Library::open(path);
  return library;
}

/// Whether an argument says that the work is to be done at once.
bool isSet(const Napi::Value& value) { return value.IsBoolean() && value.As<Napi::Boolean>().Value(); }

class CudaDevice : public DeviceObject<CudaDevice> {
 public:
  static Napi::Function define(Napi::Env env) {
    Members members = commonMembers();
    members.push_back(InstanceMethod<&CudaDevice::loadModule>("loadModule"));
    members.push_back(InstanceMethod<&CudaDevice::prepare>("prepare"));
    members.push_back(InstanceMethod<&CudaDevice::statistics>("statistics"));
    members.push_back(InstanceAccessor<&CudaDevice::properties>("properties"));
    return DefineClass(env, "CudaDevice", members);
  }

  explicit CudaDevice(const Napi::CallbackInfo& info) : DeviceObject<CudaDevice>(info) {
    if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "a CudaDevice is made by openCuda");
    machine_ = *info[0].As<Napi::External<std::shared_ptr<CudaMachine>>>().Data();
    start(machine_);
  }

 private:
  /// loadModule(image: Uint8Array, now?): Promise<an opaque module>; the module itself with `now`
  Napi::Value loadModule(const Napi::CallbackInfo& info) {
    const auto bytes = info[0].As<Napi::Uint8Array>();
    std::string image(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
    const std::shared_ptr<Context> context(machine_->order, &machine_->order->context());
    using Outcome = std::variant<ModuleReference, Refused>;
    return Promised<Outcome>::start(
        info.Env(),
        [context, image = std::move(image)]() -> Outcome {
          try {
            return std::make_shared<Module>(context, image);
          } catch (const Refused& refused) {
            return refused;
          }
        },
        [](Napi::Env env, Outcome outcome) -> Napi::Value {
          if (const Refused* refused = std::get_if<Refused>(&outcome)) {
            Napi::Error error = Napi::Error::New(env, refused->message);
            error.Set("code", refused->result == CUDA_ERROR_UNSUPPORTED_PTX_VERSION ? "TSDLC_PTX_TOO_NEW" : "TSDLC_IMAGE_REFUSED");
            throw error;
          }
          auto* module = new ModuleReference(std::get<ModuleReference>(std::move(outcome)));
          return Napi::External<ModuleReference>::New(env, module, [](Napi::Env, ModuleReference* collected) { delete collected; });
        },
        isSet(info[1]));
  }

  /// prepare(module, description, constants?: handle): Plan
  Napi::Value prepare(const Napi::CallbackInfo& info) {
    const ModuleReference& module = *info[0].As<Napi::External<ModuleReference>>().Data();
    Plan plan = planOf(info[1].As<Napi::Object>(), info[2]);
    std::vector<CUfunction> functions;
    try {
      for (const Plan::Kernel& kernel : plan.kernels) {
        functions.push_back(module->find(kernel.entry));
        if (functions.back() == nullptr) throw noKernel(info.Env(), kernel.entry);
      }
    } catch (const Failed& stopped) {
      throw errorOf(info.Env(), *stopped.failure);
    }
    return PlanObject::wrap(info.Env(), machine_, std::make_shared<CudaPlan>(machine_, std::move(plan), module, std::move(functions)));
  }

  Napi::Value statistics(const Napi::CallbackInfo& info) {
    const Statistics& counted = machine_->statistics;
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("launches", static_cast<double>(counted.launches));
    object.Set("graphHits", static_cast<double>(counted.graphHits));
    object.Set("graphMisses", static_cast<double>(counted.graphMisses));
    object.Set("graphCaptures", static_cast<double>(counted.graphCaptures));
    object.Set("graphCopies", static_cast<double>(counted.graphCopies));
    return object;
  }

  Napi::Value properties(const Napi::CallbackInfo& info) {
    const Context& context = machine_->order->context();
    const Properties& properties = context.properties();
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("name", properties.name);
    object.Set("major", properties.major);
    object.Set("minor", properties.minor);
    object.Set("multiprocessors", properties.multiprocessors);
    object.Set("threadsPerBlock", properties.threadsPerBlock);
    object.Set("sharedBytesPerBlock", properties.sharedBytesPerBlock);
    object.Set("memoryBytes", static_cast<double>(properties.memoryBytes));
    object.Set("driverVersion", versionText(context.driver().version));
    return object;
  }

  std::shared_ptr<CudaMachine> machine_;
};

/// openCuda({ driver?: string, ordinal: number, limitBytes?: number, graphs?: boolean }): Promise<CudaDevice>
Napi::Value openCuda(const Napi::CallbackInfo& info, Napi::FunctionReference& constructor) {
  const Napi::Object options = info[0].As<Napi::Object>();
  const std::string path = textOr(options, "driver", "");
  const int ordinal = static_cast<int>(numberOr(options, "ordinal", 0));
  const double limit = numberOr(options, "limitBytes", 0);
  const bool graphs = !options.Get("graphs").IsBoolean() || options.Get("graphs").As<Napi::Boolean>().Value();
  using MachineReference = std::shared_ptr<CudaMachine>;
  return Promised<MachineReference>::start(
      info.Env(),
      [=]() -> MachineReference {
        auto order = std::make_shared<StreamOrder>(std::make_shared<Context>(opened<Driver>(path), ordinal));
        const size_t all = order->context().properties().memoryBytes;
        return std::make_shared<CudaMachine>(order, CudaMachine::Options{limit > 0 ? std::min(all, static_cast<size_t>(limit)) : all, graphs});
      },
      [&constructor](Napi::Env env, MachineReference machine) -> Napi::Value {
        return constructor.New({Napi::External<MachineReference>::New(env, &machine)});
      });
}

/// compileCuda({ nvrtc?: string, source, name, architecture, options: string[] }, now?): Promise<{ image?: Uint8Array, log: string }>
Napi::Value compileCuda(const Napi::CallbackInfo& info) {
  const Napi::Object request = info[0].As<Napi::Object>();
  return Promised<Nvrtc::Outcome>::start(
      info.Env(),
      [path = textOr(request, "nvrtc", ""), source = textOr(request, "source", ""), name = textOr(request, "name", ""),
       architecture = textOr(request, "architecture", ""), options = textsOf(request, "options")] {
        return opened<Nvrtc>(path)->compile(source, name, architecture, options);
      },
      [](Napi::Env env, Nvrtc::Outcome outcome) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("log", outcome.log);
        if (outcome.compiled) {
          Napi::Uint8Array image = Napi::Uint8Array::New(env, outcome.image.size());
          std::copy(outcome.image.begin(), outcome.image.end(), image.Data());
          object.Set("image", image);
        }
        return object;
      },
      isSet(info[1]));
}

/// nvrtcVersion(path: string, now?): Promise<string>; rejects when there is no NVRTC
Napi::Value nvrtcVersion(const Napi::CallbackInfo& info) {
  return Promised<std::string>::start(
      info.Env(), [path = info[0].As<Napi::String>().Utf8Value()] { return opened<Nvrtc>(path)->version(); },
      [](Napi::Env env, std::string version) -> Napi::Value { return Napi::String::New(env, version); }, isSet(info[1]));
}

}  // namespace

void define(Napi::Env env, Napi::Object exports) {
  auto constructor = std::make_shared<Napi::FunctionReference>(Napi::Persistent(CudaDevice::define(env)));
  exports.Set("openCuda", Napi::Function::New(env, [constructor](const Napi::CallbackInfo& info) { return openCuda(info, *constructor); }, "openCuda"));
  exports.Set("compileCuda", Napi::Function::New<compileCuda>(env, "compileCuda"));
  exports.Set("nvrtcVersion", Napi::Function::New<nvrtcVersion>(env, "nvrtcVersion"));
}

}  // namespace tsdlc::cuda
