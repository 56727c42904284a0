// Names of results, and functions by name.

#include <dlfcn.h>

#include "driver.h"

#define RESULTS(each)                                              \
  each(CUDA_SUCCESS, "no error")                                   \
  each(CUDA_ERROR_INVALID_VALUE, "invalid argument")               \
  each(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")                  \
  each(CUDA_ERROR_NOT_INITIALIZED, "initialization error")         \
  each(CUDA_ERROR_DEINITIALIZED, "driver shutting down")           \
  each(CUDA_ERROR_STUB_LIBRARY, "CUDA driver is a stub library")   \
  each(CUDA_ERROR_DEVICE_UNAVAILABLE, "CUDA-capable device(s) is/are busy or unavailable") \
  each(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected") \
  each(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal")        \
  each(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid") \
  each(CUDA_ERROR_INVALID_CONTEXT, "invalid device context")       \
  each(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device") \
  each(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error encountered") \
  each(CUDA_ERROR_NVLINK_UNCORRECTABLE, "uncorrectable NVLink error detected during the execution") \
  each(CUDA_ERROR_INVALID_PTX, "a PTX JIT compilation failed")     \
  each(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, "PTX JIT compiler library not found") \
  each(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain.") \
  each(CUDA_ERROR_CONTAINED, "a contained error occurred") \
  each(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle")       \
  each(CUDA_ERROR_NOT_FOUND, "named symbol not found")             \
  each(CUDA_ERROR_NOT_READY, "device not ready")                   \
  each(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered") \
  each(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch") \
  each(CUDA_ERROR_LAUNCH_TIMEOUT, "the launch timed out and was terminated") \
  each(CUDA_ERROR_CONTEXT_IS_DESTROYED, "context is destroyed") \
  each(CUDA_ERROR_ASSERT, "device-side assert triggered") \
  each(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "part or all of the requested memory range is already mapped") \
  each(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "pointer does not correspond to a registered memory region") \
  each(CUDA_ERROR_HARDWARE_STACK_ERROR, "hardware stack error") \
  each(CUDA_ERROR_ILLEGAL_INSTRUCTION, "an illegal instruction was encountered") \
  each(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned address")        \
  each(CUDA_ERROR_INVALID_ADDRESS_SPACE, "operation not supported on global/shared address space") \
  each(CUDA_ERROR_INVALID_PC, "invalid program counter") \
  each(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure")     \
  each(CUDA_ERROR_TENSOR_MEMORY_LEAK, "tensor memory not completely freed") \
  each(CUDA_ERROR_NOT_PERMITTED, "operation not permitted")        \
  each(CUDA_ERROR_NOT_SUPPORTED, "operation not supported")        \
  each(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "system has unsupported display driver / cuda driver combination") \
  each(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing") \
  each(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "operation failed due to a previous error during capture") \
  each(CUDA_ERROR_STREAM_CAPTURE_MERGE, "operation would result in a merge of separate capture sequences") \
  each(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "capture was not ended in the same stream as it began") \
  each(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "capturing stream has unjoined work") \
  each(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "dependency created on uncaptured work in another stream") \
  each(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "operation would make the legacy stream depend on a capturing blocking stream") \
  each(CUDA_ERROR_CAPTURED_EVENT, "operation not permitted on an event last recorded in a capturing stream") \
  each(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "attempt to terminate a thread-local capture sequence from another thread") \
  each(CUDA_ERROR_UNKNOWN, "unknown error")

EXPORTED CUresult cuGetErrorName(CUresult result, const char** name) {
  switch (result) {
#define NAME(number, text) \
  case number: *name = #number; return CUDA_SUCCESS;
    RESULTS(NAME)
#undef NAME
    default: *name = nullptr; return CUDA_ERROR_INVALID_VALUE;
  }
}

EXPORTED CUresult cuGetErrorString(CUresult result, const char** words) {
  switch (result) {
#define WORDS(number, text) \
  case number: *words = text; return CUDA_SUCCESS;
    RESULTS(WORDS)
#undef WORDS
    default: *words = nullptr; return CUDA_ERROR_INVALID_VALUE;
  }
}

/// The newest form of a function under its plain name, as cuda.h maps it.
EXPORTED CUresult cuGetProcAddress_v2(const char* symbol, void** function, int, cuuint64_t, CUdriverProcAddressQueryResult* status) {
  if (symbol == nullptr || function == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *function = nullptr;
  Dl_info self;
  // The symbols of this library alone: another libcuda in the process is not asked.
  void* library = dladdr(reinterpret_cast<void*>(&cuGetErrorName), &self) == 0 ? nullptr : dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  for (const char* suffix : {"_v2", ""}) {
    if (library != nullptr && *function == nullptr) *function = dlsym(library, (std::string(symbol) + suffix).c_str());
  }
  if (library != nullptr) dlclose(library);
  const bool found = *function != nullptr;
  if (status != nullptr) *status = found ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  return found ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
