// A command line for NVRTC, the real one or the stand-in: compiles one file and writes what came of it.
//
//   nvrtc-shell libnvrtc.so.13 kernels.cu ptx|cubin output [options...]
//
// The log goes to standard output, the status is the nvrtcResult.

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "stand-in/nvrtc.h"

namespace {

void* library;

template <typename... Arguments>
nvrtcResult call(const char* name, Arguments... arguments) {
  auto* function = reinterpret_cast<nvrtcResult (*)(Arguments...)>(dlsym(library, name));
  if (function == nullptr) {
    fprintf(stderr, "nvrtc-shell: the library has no %s\n", name);
    exit(125);
  }
  return function(arguments...);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 5 || (library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL)) == nullptr) {
    fprintf(stderr, "nvrtc-shell: %s\n", count < 5 ? "name a libnvrtc, a source, ptx or cubin, an output" : dlerror());
    return 125;
  }
  std::ifstream file(arguments[2], std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::string name = std::filesystem::path(arguments[2]).filename().string();
  const bool ptx = std::string(arguments[3]) == "ptx";

  nvrtcProgram program = nullptr;
  const nvrtcResult created = call("nvrtcCreateProgram", &program, text.c_str(), name.c_str(), 0, static_cast<const char* const*>(nullptr), static_cast<const char* const*>(nullptr));
  if (created != NVRTC_SUCCESS) return created;
  nvrtcResult result = call("nvrtcCompileProgram", program, count - 5, static_cast<const char* const*>(arguments + 5));

  size_t bytes = 0;
  call("nvrtcGetProgramLogSize", program, &bytes);
  std::string log(bytes, 0);
  call("nvrtcGetProgramLog", program, log.data());
  fputs(log.c_str(), stdout);

  if (result == NVRTC_SUCCESS) {
    result = call(ptx ? "nvrtcGetPTXSize" : "nvrtcGetCUBINSize", program, &bytes);
    std::vector<char> image(bytes);
    if (result == NVRTC_SUCCESS && bytes > 0) result = call(ptx ? "nvrtcGetPTX" : "nvrtcGetCUBIN", program, image.data());
    // The text of PTX ends with a zero, which is no part of the file.
    std::ofstream(arguments[4], std::ios::binary).write(image.data(), std::streamsize(ptx && bytes > 0 ? bytes - 1 : bytes));
  }
  call("nvrtcDestroyProgram", &program);
  return result;
}
