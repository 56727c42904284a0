#include "device-memory.h"

#include <utility>

namespace tsdlc::cuda {

namespace {

/// Above this, classes are multiples of half of it: a quarter of a large block is too much to leave unused.
constexpr size_t largeBlock = size_t{4} << 20;

const std::atomic<bool> never{false};

}  // namespace

DeviceMemory::DeviceMemory(std::shared_ptr<StreamOrder> order) : order_(std::move(order)) {
  Context& context = order_->context();
  if (!context.properties().memoryPools) return;
  const Driver& driver = context.driver();
  context.check(driver.cuDeviceGetDefaultMemPool(&pool_, context.device()), "opening the memory pool");
  // Without this the pool gives its memory back to the system whenever something waits for a stream.
  uint64_t keepAll = UINT64_MAX;
  context.check(driver.cuMemPoolSetAttribute(pool_, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keepAll), "setting up the memory pool");
}

size_t DeviceMemory::classOf(size_t bytes) const {
  if (bytes <= largeBlock) return BlockSource::classOf(bytes);
  constexpr size_t step = largeBlock / 2;
  return (bytes + step - 1) / step * step;
}

CUresult DeviceMemory::allocate(CUdeviceptr* data, size_t bytes) {
  const Driver& driver = order_->context().driver();
  return pool_ != nullptr ? driver.cuMemAllocAsync(data, bytes, order_->stream(memory)) : driver.cuMemAlloc_v2(data, bytes);
}

void* DeviceMemory::obtain(size_t bytes) {
  Context& context = order_->context();
  if (context.isLost()) return nullptr;
  context.enter();
  CUdeviceptr data = 0;
  CUresult result = allocate(&data, bytes);
  if (result == CUDA_ERROR_OUT_OF_MEMORY && pool_ != nullptr) {
    // What was given back may still be on its way.
    context.driver().cuStreamSynchronize(order_->stream(memory));
    context.driver().cuMemPoolTrimTo(pool_, 0);
    result = allocate(&data, bytes);
  }
  if (result != CUDA_SUCCESS) {
    // Out of memory is for the caller to report; anything worse is remembered by the context.
    context.failureOf(result, "allocating memory");
    return nullptr;
  }
  void* block = reinterpret_cast<void*>(data);
  if (pool_ == nullptr) return block;
  try {
    // The block exists for other streams once they are behind this.
    order_->end(memory, {{block, true}});
    return block;
  } catch (const Failed&) {
    return nullptr;
  }
}

void DeviceMemory::giveBack(void* data, size_t) {
  Context& context = order_->context();
  context.enter();
  try {
    context.requireUsable();
    if (pool_ != nullptr) {
      order_->begin(memory, {{data, true}});
      context.check(context.driver().cuMemFreeAsync(addressOf(data), order_->stream(memory)), "releasing memory");
    } else {
      order_->begin(memory, {{data, true}});
      order_->wait(order_->end(memory, {}), never);
      context.check(context.driver().cuMemFree_v2(addressOf(data)), "releasing memory");
    }
  } catch (const Failed&) {
    // A lost device has no memory to give back, and who releases has nobody to tell.
  }
  order_->forget(data);
}

void* PinnedMemory::obtain(size_t bytes) {
  context_->enter();
  void* data = nullptr;
  return context_->driver().cuMemHostAlloc(&data, bytes, 0) == CUDA_SUCCESS ? data : nullptr;
}

void PinnedMemory::giveBack(void* data, size_t) {
  context_->enter();
  context_->driver().cuMemFreeHost(data);
}

}  // namespace tsdlc::cuda
