#include "context.h"

#include <utility>

namespace tsdlc::cuda {

namespace {

/// The errors after which a context can only be destroyed (CUDA driver API, CUresult: "the process must be terminated").
bool spoilsContext(CUresult result) {
  switch (result) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_CONTAINED:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_TENSOR_MEMORY_LEAK:
    case CUDA_ERROR_UNKNOWN:
      return true;
    default:
      return false;
  }
}

}  // namespace

Context::Context(std::shared_ptr<const Driver> driver, int ordinal)
    : driver_(std::move(driver)), name_("cuda:" + std::to_string(ordinal)) {
  if (ordinal < 0 || ordinal >= driver_->devices) {
    throw Failed{failed("there is no device " + name_ + ": this machine has " + std::to_string(driver_->devices) +
                        (driver_->devices == 1 ? " GPU, cuda:0" : " GPUs, cuda:0 to cuda:" + std::to_string(driver_->devices - 1)))};
  }
  check(driver_->cuDeviceGet(&device_, ordinal), "opening a GPU");
  char text[256] = "";
  check(driver_->cuDeviceGetName(text, sizeof text, device_), "asking a GPU for its name");
  properties_.name = text;
  check(driver_->cuDeviceTotalMem_v2(&properties_.memoryBytes, device_), "asking a GPU for its memory");
  const auto attribute = [this](int which) {
    int value = 0;
    check(driver_->cuDeviceGetAttribute(&value, which, device_), "asking a GPU for its properties");
    return value;
  };
  properties_.major = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  properties_.minor = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  properties_.multiprocessors = attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  properties_.threadsPerBlock = attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  properties_.sharedBytesPerBlock = attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
  properties_.memoryPools = attribute(CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED) != 0;
  check(driver_->cuDevicePrimaryCtxRetain(&context_, device_), "opening a GPU");
  enter();
}

Context::~Context() {
  // The thread may be JavaScript's, which goes on.
  driver_->cuCtxSetCurrent(nullptr);
  driver_->cuDevicePrimaryCtxRelease_v2(device_);
}

FailureReference Context::failureOf(CUresult result, const std::string& doing) {
  const std::string message = doing + ": " + driver_->explain(result);
  if (result == CUDA_ERROR_OUT_OF_MEMORY) return failed(message, Failure::Kind::outOfMemory);
  if (!spoilsContext(result)) return failed(message);
  std::lock_guard<std::mutex> lock(mutex_);
  if (lost_ == nullptr) {
    lost_ = failed(name_ + " is lost: " + message + (suspects ? suspects() : "") +
                       ". What was on it is gone, and it cannot be used again in this process; other devices can",
                   Failure::Kind::deviceLost);
    isLost_.store(true, std::memory_order_release);
  }
  return lost_;
}

FailureReference Context::lost() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return lost_;
}

}  // namespace tsdlc::cuda
