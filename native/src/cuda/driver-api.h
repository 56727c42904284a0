// The part of the CUDA driver's API that is used: types, constants and prototypes, declared here so that no CUDA header
// is needed to build. test/native/cuda-headers.test.ts compares every line with the real cuda.h.
//
// Handles are pointers to types that nobody defines, enumerations are int, as the binary interface has them. Names with
// a suffix are what the header's macros make of the plain ones: the plain names in the library are older functions.

#pragma once

#include <cstddef>
#include <cstdint>

namespace tsdlc::cuda {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st*;
using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUlibrary = struct CUlib_st*;
using CUkernel = struct CUkern_st*;
using CUgraph = struct CUgraph_st*;
using CUgraphExec = struct CUgraphExec_st*;
using CUmemoryPool = struct CUmemPoolHandle_st*;

// clang-format off
#define TSDLC_CUDA_CONSTANTS(CONSTANT)                       \
  CONSTANT(CUDA_SUCCESS, 0)                                  \
  CONSTANT(CUDA_ERROR_OUT_OF_MEMORY, 2)                      \
  CONSTANT(CUDA_ERROR_NO_DEVICE, 100)                        \
  CONSTANT(CUDA_ERROR_ECC_UNCORRECTABLE, 214)                \
  CONSTANT(CUDA_ERROR_NVLINK_UNCORRECTABLE, 220)             \
  CONSTANT(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222)          \
  CONSTANT(CUDA_ERROR_CONTAINED, 226)                        \
  CONSTANT(CUDA_ERROR_NOT_FOUND, 500)                        \
  CONSTANT(CUDA_ERROR_NOT_READY, 600)                        \
  CONSTANT(CUDA_ERROR_ILLEGAL_ADDRESS, 700)                  \
  CONSTANT(CUDA_ERROR_LAUNCH_TIMEOUT, 702)                   \
  CONSTANT(CUDA_ERROR_CONTEXT_IS_DESTROYED, 709)             \
  CONSTANT(CUDA_ERROR_ASSERT, 710)                           \
  CONSTANT(CUDA_ERROR_HARDWARE_STACK_ERROR, 714)             \
  CONSTANT(CUDA_ERROR_ILLEGAL_INSTRUCTION, 715)              \
  CONSTANT(CUDA_ERROR_MISALIGNED_ADDRESS, 716)               \
  CONSTANT(CUDA_ERROR_INVALID_ADDRESS_SPACE, 717)            \
  CONSTANT(CUDA_ERROR_INVALID_PC, 718)                       \
  CONSTANT(CUDA_ERROR_LAUNCH_FAILED, 719)                    \
  CONSTANT(CUDA_ERROR_TENSOR_MEMORY_LEAK, 721)               \
  CONSTANT(CUDA_ERROR_UNKNOWN, 999)                          \
  CONSTANT(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1)     \
  CONSTANT(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 8) \
  CONSTANT(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16)     \
  CONSTANT(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75) \
  CONSTANT(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76) \
  CONSTANT(CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 115)  \
  CONSTANT(CU_STREAM_NON_BLOCKING, 1)                        \
  CONSTANT(CU_EVENT_DISABLE_TIMING, 2)                       \
  CONSTANT(CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, 4)             \
  CONSTANT(CU_JIT_ERROR_LOG_BUFFER, 5)                       \
  CONSTANT(CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, 6)            \
  CONSTANT(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, 1)

/// FUNCTION(name, parameters): in every driver of CUDA 11.4 and later.
#define TSDLC_CUDA_FUNCTIONS(FUNCTION)                                                                             \
  FUNCTION(cuInit, (unsigned flags))                                                                               \
  FUNCTION(cuDriverGetVersion, (int* version))                                                                     \
  FUNCTION(cuGetErrorName, (CUresult error, const char** name))                                                    \
  FUNCTION(cuGetErrorString, (CUresult error, const char** text))                                                  \
  FUNCTION(cuDeviceGetCount, (int* count))                                                                         \
  FUNCTION(cuDeviceGet, (CUdevice* device, int ordinal))                                                           \
  FUNCTION(cuDeviceGetName, (char* name, int length, CUdevice device))                                             \
  FUNCTION(cuDeviceGetAttribute, (int* value, int attribute, CUdevice device))                                     \
  FUNCTION(cuDeviceTotalMem_v2, (size_t* bytes, CUdevice device))                                                  \
  FUNCTION(cuDeviceGetDefaultMemPool, (CUmemoryPool* pool, CUdevice device))                                       \
  FUNCTION(cuDevicePrimaryCtxRetain, (CUcontext* context, CUdevice device))                                        \
  FUNCTION(cuDevicePrimaryCtxRelease_v2, (CUdevice device))                                                        \
  FUNCTION(cuCtxSetCurrent, (CUcontext context))                                                                   \
  FUNCTION(cuStreamCreate, (CUstream* stream, unsigned flags))                                                     \
  FUNCTION(cuStreamDestroy_v2, (CUstream stream))                                                                  \
  FUNCTION(cuStreamSynchronize, (CUstream stream))                                                                 \
  FUNCTION(cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned flags))                                    \
  FUNCTION(cuEventCreate, (CUevent* event, unsigned flags))                                                        \
  FUNCTION(cuEventDestroy_v2, (CUevent event))                                                                     \
  FUNCTION(cuEventRecord, (CUevent event, CUstream stream))                                                        \
  FUNCTION(cuEventQuery, (CUevent event))                                                                          \
  FUNCTION(cuMemGetInfo_v2, (size_t* free, size_t* total))                                                         \
  FUNCTION(cuMemAlloc_v2, (CUdeviceptr* data, size_t bytes))                                                       \
  FUNCTION(cuMemFree_v2, (CUdeviceptr data))                                                                       \
  FUNCTION(cuMemAllocAsync, (CUdeviceptr* data, size_t bytes, CUstream stream))                                    \
  FUNCTION(cuMemFreeAsync, (CUdeviceptr data, CUstream stream))                                                    \
  FUNCTION(cuMemPoolSetAttribute, (CUmemoryPool pool, int attribute, void* value))                                 \
  FUNCTION(cuMemPoolTrimTo, (CUmemoryPool pool, size_t bytesKept))                                                 \
  FUNCTION(cuMemHostAlloc, (void** data, size_t bytes, unsigned flags))                                            \
  FUNCTION(cuMemFreeHost, (void* data))                                                                            \
  FUNCTION(cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void* from, size_t bytes, CUstream stream))                \
  FUNCTION(cuMemcpyDtoHAsync_v2, (void* to, CUdeviceptr from, size_t bytes, CUstream stream))                      \
  FUNCTION(cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream))                \
  FUNCTION(cuModuleLoadDataEx, (CUmodule* module, const void* image, unsigned count, int* options, void** values)) \
  FUNCTION(cuModuleUnload, (CUmodule module))                                                                      \
  FUNCTION(cuModuleGetFunction, (CUfunction* function, CUmodule module, const char* name))                         \
  FUNCTION(cuLaunchKernel, (CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,  \
                            unsigned blockY, unsigned blockZ, unsigned sharedBytes, CUstream stream,               \
                            void** parameters, void** extra))                                                      \
  FUNCTION(cuStreamBeginCapture_v2, (CUstream stream, int mode))                                                   \
  FUNCTION(cuStreamEndCapture, (CUstream stream, CUgraph* graph))                                                  \
  FUNCTION(cuGraphInstantiateWithFlags, (CUgraphExec* executable, CUgraph graph, unsigned long long flags))        \
  FUNCTION(cuGraphLaunch, (CUgraphExec executable, CUstream stream))                                               \
  FUNCTION(cuGraphDestroy, (CUgraph graph))                                                                        \
  FUNCTION(cuGraphExecDestroy, (CUgraphExec executable))

/// Since CUDA 12.0; null in older drivers.
#define TSDLC_CUDA_LIBRARY_FUNCTIONS(FUNCTION)                                                                     \
  FUNCTION(cuLibraryLoadData, (CUlibrary* library, const void* image, int* jitOptions, void** jitValues,           \
                               unsigned jitCount, int* libraryOptions, void** libraryValues, unsigned libraryCount)) \
  FUNCTION(cuLibraryUnload, (CUlibrary library))                                                                   \
  FUNCTION(cuLibraryGetKernel, (CUkernel* kernel, CUlibrary library, const char* name))                            \
  FUNCTION(cuKernelGetFunction, (CUfunction* function, CUkernel kernel))
// clang-format on

enum : int {
#define TSDLC_CUDA_CONSTANT(name, value) name = value,
  TSDLC_CUDA_CONSTANTS(TSDLC_CUDA_CONSTANT)
#undef TSDLC_CUDA_CONSTANT
};

}  // namespace tsdlc::cuda
