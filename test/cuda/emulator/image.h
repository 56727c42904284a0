// What a compiled image says of itself. The build script knows nothing of a kernel but its name and its bound of
// threads; the types of its parameters are taken from the function, by the template below.

#pragma once

#include <stddef.h>
#include <stdint.h>

#include <utility>

namespace tsdlc::emulator {

struct KernelDescription {
  const char* name;
  void (*call)(void* const* arguments);
  const uint32_t* parameterBytes;
  uint32_t parameters;
  /// From __launch_bounds__, else the most that a block may have.
  uint32_t maxThreads;
};

struct ImageDescription {
  /// Changes with any of these structs, so that an image left in a cache is not misread.
  uint32_t version;
  uint32_t kernels;
  const KernelDescription* kernel;
  /// What the image was compiled for: "sm_90a", or "any".
  const char* architecture;
  /// All static shared memory of all kernels; both null where there is none.
  char* sharedBegin;
  char* sharedEnd;
};

constexpr uint32_t imageVersion = 1;

/// The name under which an image exports its description.
constexpr const char* imageSymbol = "tsdlc_cuda_image";

template <auto function>
struct Signature;

template <typename... Parameters, void (*function)(Parameters...)>
struct Signature<function> {
  static constexpr uint32_t bytes[sizeof...(Parameters) + 1] = {sizeof(Parameters)..., 0};

  static void call(void* const* arguments) { call(arguments, std::index_sequence_for<Parameters...>()); }

  template <size_t... position>
  static void call([[maybe_unused]] void* const* arguments, std::index_sequence<position...>) {
    function(*static_cast<std::remove_reference_t<Parameters>*>(arguments[position])...);
  }

  static constexpr KernelDescription describe(const char* name, uint32_t maxThreads) {
    return {name, call, bytes, sizeof...(Parameters), maxThreads};
  }
};

}  // namespace tsdlc::emulator

#define TSDLC_KERNEL(name, maxThreads) ::tsdlc::emulator::Signature<name>::describe(#name, maxThreads)
