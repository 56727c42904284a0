// Devices and their primary contexts.

#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "image.h"
#include "memory.h"
#include "stream.h"

using namespace tsdlc::standin;

namespace {

constexpr int processors = 4;

bool exists(CUdevice device) { return device >= 0 && device < driver().settings.devices; }

}  // namespace

EXPORTED CUresult cuInit(unsigned flags) {
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  Lock lock(driver().mutex);
  if (!driver().initialized) {
    driver().settings.readEnvironment();
    if (driver().settings.devices == 0) return CUDA_ERROR_NO_DEVICE;
    driver().initialized = true;
  }
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDriverGetVersion(int* version) {
  // Needs no cuInit, so the environment may not have been read yet.
  Lock lock(driver().mutex);
  if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (!driver().initialized) driver().settings.readEnvironment();
  *version = driver().settings.driverVersion;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDeviceGetCount(int* count) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  *count = driver().settings.devices;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (!exists(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDeviceGetName(char* name, int bytes, CUdevice device) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  snprintf(name, size_t(bytes), "tsdlc CUDA emulator");
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  memset(uuid->bytes, 0, sizeof uuid->bytes);
  uuid->bytes[15] = char(device + 1);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = driver().settings.memoryBytes;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  const Settings& settings = driver().settings;
  const bool hopper = settings.major >= 9;
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X: *value = 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: *value = 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: *value = 64; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: *value = 2147483647; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y: *value = 65535; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: *value = 65535; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *value = 48 * 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *value = int(sharedBytesOf(settings)); break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: *value = int(sharedBytesOf(settings)) + 1024; break;
    case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: *value = 1024; break;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: *value = 65536; break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *value = 32; break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK: *value = 65536; break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: *value = 65536; break;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: *value = 1000000; break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = processors; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *value = 2048; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: *value = 32; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = settings.major; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = settings.minor; break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: *value = 1000000; break;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: *value = 512; break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *value = 4 << 20; break;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: *value = 2; break;
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS: *value = 1; break;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: *value = 1; break;
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY: *value = 1; break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED: *value = 1; break;
    case CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH: *value = hopper; break;
    case CU_DEVICE_ATTRIBUTE_TENSOR_MAP_ACCESS_SUPPORTED: *value = hopper; break;
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_INTEGRATED:
    case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE:
    case CU_DEVICE_ATTRIBUTE_ECC_ENABLED:
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID:
    case CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID:
    case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY:
    case CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS:
    case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH: *value = 0; break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  driver().primary.users++;
  *context = &driver().primary;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  Call call = needsDriver();
  if (call.refused()) return call.result;
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (driver().primary.users == 0) return CUDA_ERROR_INVALID_CONTEXT;
  if (--driver().primary.users == 0) {
    finishAll(call.lock);
    freeAll();
    driver().failure = CUDA_SUCCESS;
  }
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuCtxSetCurrent(CUcontext context) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (context != nullptr && context != &driver().primary) return CUDA_ERROR_INVALID_CONTEXT;
  current = context;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuCtxGetCurrent(CUcontext* context) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  *context = current;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuCtxGetDevice(CUdevice* device) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  *device = 0;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuCtxSynchronize() {
  Call call = needsContext();
  if (call.refused()) return call.result;
  if (const CUresult refusal = refuseWhileCapturing(); refusal != CUDA_SUCCESS) return refusal;
  finishAll(call.lock);
  return driver().failure;
}
