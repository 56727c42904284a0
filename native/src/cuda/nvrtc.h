// NVRTC, NVIDIA's compiler of CUDA C++ as a library, opened at run time.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shared-library.h"

namespace tsdlc::cuda {

// clang-format off
/// nvrtc.h; enumerations are int. The cubin functions are since 11.1.
#define TSDLC_NVRTC_FUNCTIONS(FUNCTION)                                                                              \
  FUNCTION(nvrtcVersion, int, (int* major, int* minor))                                                              \
  FUNCTION(nvrtcGetErrorString, const char*, (int result))                                                           \
  FUNCTION(nvrtcCreateProgram, int, (NvrtcProgram* program, const char* source, const char* name, int headerCount,   \
                                     const char* const* headers, const char* const* includeNames))                   \
  FUNCTION(nvrtcDestroyProgram, int, (NvrtcProgram* program))                                                        \
  FUNCTION(nvrtcCompileProgram, int, (NvrtcProgram program, int optionCount, const char* const* options))            \
  FUNCTION(nvrtcGetProgramLogSize, int, (NvrtcProgram program, size_t* bytes))                                       \
  FUNCTION(nvrtcGetProgramLog, int, (NvrtcProgram program, char* log))                                               \
  FUNCTION(nvrtcGetPTXSize, int, (NvrtcProgram program, size_t* bytes))                                              \
  FUNCTION(nvrtcGetPTX, int, (NvrtcProgram program, char* ptx))                                                      \
  FUNCTION(nvrtcGetCUBINSize, int, (NvrtcProgram program, size_t* bytes))                                            \
  FUNCTION(nvrtcGetCUBIN, int, (NvrtcProgram program, char* cubin))
// clang-format on

using NvrtcProgram = struct NvrtcProgramOpaque*;

class Nvrtc {
 public:
  struct Outcome {
    bool compiled;
    /// Machine code for "sm_90", PTX for "compute_80".
    std::string image;
    std::string log;
  };

  /// Opens it; `path` is empty for the newest version that the loader finds. Throws Failed.
  static std::shared_ptr<const Nvrtc> open(const std::string& path);

  /// "12.9"
  std::string version() const;
  /// May run on several threads at once. `name` stands for the source in the log. Throws Failed when the library itself
  /// fails, not when the source is wrong.
  Outcome compile(const std::string& source, const std::string& name, const std::string& architecture,
                  const std::vector<std::string>& options) const;

 private:
  explicit Nvrtc(const std::string& path);
  void check(int result, const char* doing) const;

  SharedLibrary library_;
#define TSDLC_NVRTC_FUNCTION(name, result, parameters) result(*name) parameters = nullptr;
  TSDLC_NVRTC_FUNCTIONS(TSDLC_NVRTC_FUNCTION)
#undef TSDLC_NVRTC_FUNCTION
};

}  // namespace tsdlc::cuda
