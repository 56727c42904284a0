// Launches: the arguments are copied when the call is made, the kernel runs when the stream comes to it.

#include <string.h>

#include "image.h"
#include "memory.h"
#include "stream.h"

using namespace tsdlc::standin;
using tsdlc::emulator::Index3;

namespace {

/// Values of a kernel's parameters, which outlive the call.
struct Arguments {
  std::vector<uint64_t> words;
  std::vector<size_t> first;

  std::vector<void*> pointers() {
    std::vector<void*> result;
    for (const size_t at : first) result.push_back(&words[at]);
    return result;
  }
};

size_t wordsFor(uint32_t bytes) { return (bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t); }

void append(Arguments& arguments, const void* value, uint32_t bytes) {
  arguments.first.push_back(arguments.words.size());
  arguments.words.resize(arguments.words.size() + wordsFor(bytes));
  memcpy(&arguments.words[arguments.first.back()], value, bytes);
}

/// Arguments from either form of the call: a pointer to each, or one buffer in which each is aligned to its size.
bool read(const CUfunc_st& function, void** parameters, void** extra, Arguments& arguments) {
  const tsdlc::emulator::KernelDescription& kernel = *function.description;
  if (kernel.parameters == 0) return true;
  if (parameters != nullptr) {
    for (uint32_t i = 0; i < kernel.parameters; i++) append(arguments, parameters[i], kernel.parameterBytes[i]);
    return extra == nullptr;
  }
  const char* buffer = nullptr;
  size_t bytes = 0;
  for (void** at = extra; at != nullptr && *at != CU_LAUNCH_PARAM_END; at += 2) {
    if (*at == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = static_cast<const char*>(at[1]);
    if (*at == CU_LAUNCH_PARAM_BUFFER_SIZE) bytes = *static_cast<const size_t*>(at[1]);
  }
  size_t offset = 0;
  for (uint32_t i = 0; i < kernel.parameters; i++) {
    const size_t size = kernel.parameterBytes[i];
    offset = (offset + size - 1) / size * size;
    if (buffer == nullptr || offset + size > bytes) return false;
    append(arguments, buffer + offset, uint32_t(size));
    offset += size;
  }
  return true;
}

CUresult runKernel(CUfunc_st& function, Index3 grid, Index3 block, size_t shared, Arguments& arguments) {
  tsdlc::emulator::Knobs knobs;
  {
    Lock lock(driver().mutex);
    Settings& settings = driver().settings;
    if (settings.failingLaunch > 0 && --settings.failingLaunch == 0) {
      driver().say(std::string("kernel \"") + function.description->name + "\" fails with " + std::to_string(settings.failure) + ", as the setting \"fail-launch\" wants");
      return CUresult(settings.failure);
    }
    knobs = settings.kernels;
  }
  const std::vector<void*> pointers = arguments.pointers();
  std::string fault;
  {
    std::lock_guard<std::mutex> turn(function.image->turn());
    fault = tsdlc::emulator::run({function.image->description(), *function.description, function.shared, grid, block, shared, pointers.data()}, knobs);
  }
  Lock lock(driver().mutex);
  if (!fault.empty()) {
    driver().say(fault);
    return CUDA_ERROR_LAUNCH_FAILED;
  }
  if (const std::string damage = damageAnywhere(); !damage.empty()) {
    driver().say(std::string("kernel \"") + function.description->name + "\", or one that ran with it, " + damage);
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  return CUDA_SUCCESS;
}

}  // namespace

EXPORTED CUresult cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY, unsigned blockZ,
                                 unsigned sharedBytes, CUstream handle, void** parameters, void** extra) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  CUstream stream = streamOf(handle);
  if (function == nullptr || stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  const uint64_t threads = uint64_t(blockX) * blockY * blockZ;
  if (gridX == 0 || gridY == 0 || gridZ == 0 || gridX > 2147483647 || gridY > 65535 || gridZ > 65535) return CUDA_ERROR_INVALID_VALUE;
  if (threads == 0 || blockX > 1024 || blockY > 1024 || blockZ > 64) return CUDA_ERROR_INVALID_VALUE;
  if (threads > function->description->maxThreads || sharedBytes > function->maxDynamicSharedBytes) return CUDA_ERROR_INVALID_VALUE;
  Arguments arguments;
  if (!read(*function, parameters, extra, arguments)) return CUDA_ERROR_INVALID_VALUE;
  return submit(stream, [=]() mutable { return runKernel(*function, {gridX, gridY, gridZ}, {blockX, blockY, blockZ}, sharedBytes, arguments); });
}
