#include "driver.h"

#include "../failure.h"

namespace tsdlc::cuda {

namespace {

/// CUDA 11.4: the first whose graphs are made by cuGraphInstantiateWithFlags.
constexpr int oldestVersion = 11040;

}  // namespace

std::string versionText(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

std::shared_ptr<const Driver> Driver::open(const std::string& path) { return std::shared_ptr<const Driver>(new Driver(path)); }

Driver::Driver(const std::string& path)
    : library_(path, {"libcuda.so.1", "libcuda.so"}, "the CUDA driver",
               "install the driver of the NVIDIA GPU, or name its library in TSDLC_CUDA_DRIVER") {
  const auto tooOld = [this](const std::string& found) {
    return Failed{failed("the CUDA driver " + library_.name() + " is too old: " + found + ", and version " +
                         versionText(oldestVersion) + " or later is needed (NVIDIA driver 470 or later): update the NVIDIA driver")};
  };
  // The version comes first: it explains what is missing.
  cuDriverGetVersion = reinterpret_cast<decltype(cuDriverGetVersion)>(library_.find("cuDriverGetVersion"));
  if (cuDriverGetVersion == nullptr) throw Failed{failed(library_.name() + " is not a CUDA driver: it has no cuDriverGetVersion")};
  if (cuDriverGetVersion(&version) != CUDA_SUCCESS) version = 0;
  const std::string found = "it is for CUDA " + versionText(version);
  if (version < oldestVersion) throw tooOld(found);
#define TSDLC_CUDA_FIND(name, parameters)                             \
  name = reinterpret_cast<decltype(name)>(library_.find(#name));      \
  if (name == nullptr) throw tooOld(found + " and has no " #name);
  TSDLC_CUDA_FUNCTIONS(TSDLC_CUDA_FIND)
#undef TSDLC_CUDA_FIND
#define TSDLC_CUDA_FIND(name, parameters) name = reinterpret_cast<decltype(name)>(library_.find(#name));
  TSDLC_CUDA_LIBRARY_FUNCTIONS(TSDLC_CUDA_FIND)
#undef TSDLC_CUDA_FIND

  const CUresult initialized = cuInit(0);
  if (initialized == CUDA_ERROR_NO_DEVICE) throw Failed{failed("the CUDA driver " + library_.name() + " finds no GPU: " + explain(initialized))};
  if (initialized != CUDA_SUCCESS) throw Failed{failed("the CUDA driver " + library_.name() + " does not start: " + explain(initialized))};
  if (cuDeviceGetCount(&devices) != CUDA_SUCCESS || devices == 0) throw Failed{failed("the CUDA driver " + library_.name() + " finds no GPU")};
}

std::string Driver::explain(CUresult result) const {
  const char* name = nullptr;
  const char* text = nullptr;
  cuGetErrorName(result, &name);
  cuGetErrorString(result, &text);
  if (name == nullptr) return "CUDA error " + std::to_string(result);
  return text == nullptr ? name : std::string(name) + ": " + text;
}

}  // namespace tsdlc::cuda
