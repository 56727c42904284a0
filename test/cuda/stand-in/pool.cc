// The device's memory pool, from which cuMemAllocAsync takes. Here it keeps no freed memory, so its threshold is a number
// and nothing more.

#include "driver.h"
#include "memory.h"

struct CUmemPoolHandle_st {
  uint64_t releaseThreshold = 0;
};

using namespace tsdlc::standin;

EXPORTED CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice device) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (pool == nullptr || device < 0 || device >= driver().settings.devices) return CUDA_ERROR_INVALID_VALUE;
  static CUmemPoolHandle_st& only = *new CUmemPoolHandle_st;
  *pool = &only;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* value) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (pool == nullptr || value == nullptr) return CUDA_ERROR_INVALID_VALUE;
  switch (attribute) {
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: pool->releaseThreshold = *static_cast<const cuuint64_t*>(value); return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

EXPORTED CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* value) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  if (pool == nullptr || value == nullptr) return CUDA_ERROR_INVALID_VALUE;
  uint64_t ordered = 0;
  for (const auto& [address, allocation] : driver().allocations) {
    if (allocation->ordered) ordered += allocation->bytes;
  }
  switch (attribute) {
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: *static_cast<cuuint64_t*>(value) = pool->releaseThreshold; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: *static_cast<cuuint64_t*>(value) = ordered; return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

EXPORTED CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t) {
  const Call call = needsDriver();
  if (call.refused()) return call.result;
  return pool == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
