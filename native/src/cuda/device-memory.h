// Blocks of a GPU's memory, and of host memory that a GPU can copy from and to by itself.
//
// The one idea: the allocator in front decides which block comes back (the newest of a size, so that addresses repeat);
// the driver's stream-ordered pool behind it lets memory grow and shrink without waiting for the GPU. Where there is no
// pool, a block goes back to the driver when all work on it has ended.

#pragma once

#include <memory>

#include "../block-source.h"
#include "stream-order.h"

namespace tsdlc::cuda {

class DeviceMemory : public BlockSource {
 public:
  explicit DeviceMemory(std::shared_ptr<StreamOrder> order);

  size_t classOf(size_t bytes) const override;
  void* obtain(size_t bytes) override;
  void giveBack(void* data, size_t bytes) override;

 private:
  CUresult allocate(CUdeviceptr* data, size_t bytes);

  const std::shared_ptr<StreamOrder> order_;
  /// Null where the GPU has none.
  CUmemoryPool pool_ = nullptr;
};

class PinnedMemory : public BlockSource {
 public:
  explicit PinnedMemory(std::shared_ptr<Context> context) : context_(std::move(context)) {}

  void* obtain(size_t bytes) override;
  void giveBack(void* data, size_t bytes) override;

 private:
  const std::shared_ptr<Context> context_;
};

inline CUdeviceptr addressOf(const void* data) { return reinterpret_cast<CUdeviceptr>(data); }

}  // namespace tsdlc::cuda
