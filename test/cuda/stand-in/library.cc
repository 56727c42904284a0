// Loading of images and kernels by the driver's two interfaces, modules and libraries.

#include <stdio.h>
#include <string.h>

#include <algorithm>

#include "image.h"
#include "stream.h"

struct CUmod_st {
  std::shared_ptr<tsdlc::standin::Image> image;
};

struct CUlib_st {
  std::shared_ptr<tsdlc::standin::Image> image;
};

using namespace tsdlc::standin;

namespace {

CUfunction asFunction(CUkernel kernel) { return reinterpret_cast<CUfunction>(kernel); }

/// Writes why an image was refused where the caller wants it.
void log(const std::string& reason, unsigned count, const CUjit_option* options, void** values) {
  char* buffer = nullptr;
  size_t bytes = 0;
  for (unsigned i = 0; i < count; i++) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER) buffer = static_cast<char*>(values[i]);
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) bytes = reinterpret_cast<size_t>(values[i]);
  }
  if (buffer != nullptr && bytes > 0) snprintf(buffer, bytes, "%s", reason.c_str());
}

std::shared_ptr<Image> load(const void* code, CUresult& result, unsigned count, const CUjit_option* options, void** values) {
  if (code == nullptr) {
    result = CUDA_ERROR_INVALID_VALUE;
    return nullptr;
  }
  std::string reason;
  std::shared_ptr<Image> image = Image::load(code, result, reason);
  if (image == nullptr) {
    driver().say("an image is refused: " + reason);
    log(reason, count, options, values);
  }
  return image;
}

CUresult readAttribute(int* value, CUfunction_attribute attribute, const CUfunc_st& function) {
  const Settings& settings = driver().settings;
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = int(function.description->maxThreads); break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = int(function.staticSharedBytes); break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = int(function.maxDynamicSharedBytes); break;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = 10 * settings.major + settings.minor; break;
    // Registers, and memory of a thread, are those of the host: there is nothing true to say.
    default: return CUDA_ERROR_NOT_SUPPORTED;
  }
  return CUDA_SUCCESS;
}

CUresult writeAttribute(CUfunction_attribute attribute, int value, CUfunc_st& function) {
  if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT) return value >= -1 && value <= 100 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_ERROR_INVALID_VALUE;
  if (value < 0 || size_t(value) + function.staticSharedBytes > sharedBytesOf(driver().settings)) return CUDA_ERROR_INVALID_VALUE;
  function.maxDynamicSharedBytes = size_t(value);
  return CUDA_SUCCESS;
}

}  // namespace

EXPORTED CUresult cuModuleLoadDataEx(CUmodule* module, const void* code, unsigned count, CUjit_option* options, void** values) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  CUresult result;
  std::shared_ptr<Image> image = load(code, result, count, options, values);
  if (image != nullptr) *module = new CUmod_st{std::move(image)};
  return result;
}

EXPORTED CUresult cuModuleLoadData(CUmodule* module, const void* code) { return cuModuleLoadDataEx(module, code, 0, nullptr, nullptr); }

EXPORTED CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (module == nullptr || name == nullptr) return CUDA_ERROR_INVALID_VALUE;
  CUfunction found = module->image->find(name);
  if (found == nullptr) return CUDA_ERROR_NOT_FOUND;
  *function = found;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuModuleUnload(CUmodule module) {
  Call call = needsContext();
  if (call.refused()) return call.result;
  if (module == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (const CUresult refusal = refuseWhileCapturing(); refusal != CUDA_SUCCESS) return refusal;
  finishAll(call.lock);
  delete module;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuLibraryLoadData(CUlibrary* library, const void* code, CUjit_option* options, void** values, unsigned count, CUlibraryOption*, void**, unsigned) {
  // Needs no context: a library belongs to the process.
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  CUresult result;
  std::shared_ptr<Image> image = load(code, result, count, options, values);
  if (image != nullptr) *library = new CUlib_st{std::move(image)};
  return result;
}

EXPORTED CUresult cuLibraryGetKernel(CUkernel* kernel, CUlibrary library, const char* name) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (library == nullptr || name == nullptr) return CUDA_ERROR_INVALID_VALUE;
  CUfunction found = library->image->find(name);
  if (found == nullptr) return CUDA_ERROR_NOT_FOUND;
  *kernel = reinterpret_cast<CUkernel>(found);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuLibraryGetKernelCount(unsigned* count, CUlibrary library) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (library == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *count = unsigned(library->image->functions().size());
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuLibraryEnumerateKernels(CUkernel* kernels, unsigned count, CUlibrary library) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (library == nullptr || kernels == nullptr) return CUDA_ERROR_INVALID_VALUE;
  std::vector<CUfunc_st>& functions = library->image->functions();
  for (unsigned i = 0; i < std::min(count, unsigned(functions.size())); i++) kernels[i] = reinterpret_cast<CUkernel>(&functions[i]);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuLibraryUnload(CUlibrary library) {
  Call call = needsDriver();
  if (call.refused()) return call.result;
  if (library == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (const CUresult refusal = refuseWhileCapturing(); refusal != CUDA_SUCCESS) return refusal;
  finishAll(call.lock);
  delete library;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuKernelGetFunction(CUfunction* function, CUkernel kernel) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (kernel == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  *function = asFunction(kernel);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : readAttribute(value, attribute, *function);
}

EXPORTED CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : writeAttribute(attribute, value, *function);
}

EXPORTED CUresult cuKernelGetAttribute(int* value, CUfunction_attribute attribute, CUkernel kernel, CUdevice) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  return kernel == nullptr ? CUDA_ERROR_INVALID_HANDLE : readAttribute(value, attribute, *asFunction(kernel));
}

EXPORTED CUresult cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel kernel, CUdevice) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  return kernel == nullptr ? CUDA_ERROR_INVALID_HANDLE : writeAttribute(attribute, value, *asFunction(kernel));
}
