#include "nvrtc.h"

#include <dlfcn.h>

#include "../failure.h"

namespace tsdlc::cuda {

namespace {

/// nvrtc.h: nvrtcResult.
constexpr int succeeded = 0;
constexpr int invalidOption = 5;
constexpr int compilationFailed = 6;

/// Within a major version the name stays; 11.2 was the last to change it in 11.
const std::vector<std::string> names = {"libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"};

}  // namespace

std::shared_ptr<const Nvrtc> Nvrtc::open(const std::string& path) { return std::shared_ptr<const Nvrtc>(new Nvrtc(path)); }

Nvrtc::Nvrtc(const std::string& path) : library_(path, names, "the CUDA compiler NVRTC", "install the CUDA toolkit, or name the library in TSDLC_NVRTC") {
  const std::string opened = library_.name();
#define TSDLC_NVRTC_FIND(function, result, parameters)                       \
  function = reinterpret_cast<decltype(function)>(library_.find(#function)); \
  if (function == nullptr) throw Failed{failed(opened + " is not NVRTC of CUDA 11.1 or later: it has no " #function)};
  TSDLC_NVRTC_FUNCTIONS(TSDLC_NVRTC_FIND)
#undef TSDLC_NVRTC_FIND
  // NVRTC opens a second library by its bare name, which the loader does not find beside an NVRTC that was named by its
  // path. One of that name that is open already serves.
  Dl_info place;
  if (dladdr(reinterpret_cast<void*>(nvrtcVersion), &place) == 0 || place.dli_fname == nullptr) return;
  const std::string file = place.dli_fname;
  const size_t slash = file.rfind('/');
  if (slash != std::string::npos) dlopen((file.substr(0, slash + 1) + "libnvrtc-builtins.so." + version()).c_str(), RTLD_NOW | RTLD_LOCAL);
}

std::string Nvrtc::version() const {
  int major = 0;
  int minor = 0;
  check(nvrtcVersion(&major, &minor), "asking NVRTC for its version");
  return std::to_string(major) + "." + std::to_string(minor);
}

void Nvrtc::check(int result, const char* doing) const {
  if (result != succeeded) throw Failed{failed(std::string(doing) + ": " + nvrtcGetErrorString(result))};
}

Nvrtc::Outcome Nvrtc::compile(const std::string& source, const std::string& name, const std::string& architecture,
                              const std::vector<std::string>& options) const {
  NvrtcProgram program = nullptr;
  check(nvrtcCreateProgram(&program, source.c_str(), name.c_str(), 0, nullptr, nullptr), "starting NVRTC");
  const std::shared_ptr<void> ending(nullptr, [&](void*) { nvrtcDestroyProgram(&program); });

  const std::string target = "--gpu-architecture=" + architecture;
  std::vector<const char*> arguments{target.c_str()};
  for (const std::string& option : options) arguments.push_back(option.c_str());
  const int result = nvrtcCompileProgram(program, static_cast<int>(arguments.size()), arguments.data());

  Outcome outcome{result == succeeded, "", ""};
  size_t bytes = 0;
  check(nvrtcGetProgramLogSize(program, &bytes), "reading NVRTC's log");
  outcome.log.resize(bytes);
  check(nvrtcGetProgramLog(program, outcome.log.data()), "reading NVRTC's log");
  // The size counts the zero byte at the end.
  if (!outcome.log.empty()) outcome.log.pop_back();
  if (result != succeeded && result != compilationFailed && result != invalidOption) {
    throw Failed{failed("NVRTC failed: " + std::string(nvrtcGetErrorString(result)) + (outcome.log.empty() ? "" : "\n" + outcome.log))};
  }
  if (!outcome.compiled) return outcome;

  const bool isPtx = architecture.rfind("compute_", 0) == 0;
  check(isPtx ? nvrtcGetPTXSize(program, &bytes) : nvrtcGetCUBINSize(program, &bytes), "reading NVRTC's code");
  outcome.image.resize(bytes);
  check(isPtx ? nvrtcGetPTX(program, outcome.image.data()) : nvrtcGetCUBIN(program, outcome.image.data()), "reading NVRTC's code");
  if (isPtx && !outcome.image.empty() && outcome.image.back() == '\0') outcome.image.pop_back();
  return outcome;
}

}  // namespace tsdlc::cuda
