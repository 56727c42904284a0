#include "memory.h"

#include <stdlib.h>
#include <string.h>

#include <deque>

#include "graph.h"
#include "stream.h"

namespace tsdlc::standin {

namespace {

/// As the real one, which promises at least 256.
constexpr size_t alignment = 512;
constexpr int poisonByte = 0xff;
constexpr char guardByte = 0x5a;
#ifdef TSDLC_SANITIZE
constexpr size_t guardBytes = 0;
constexpr size_t quarantineBytes = 0;
#else
constexpr size_t guardBytes = alignment;
constexpr size_t quarantineBytes = size_t{64} << 20;
#endif

struct Quarantine {
  std::deque<std::shared_ptr<Allocation>> freed;
  size_t bytes = 0;
};

void retire(std::shared_ptr<Allocation> allocation) {
  static Quarantine& quarantine = *new Quarantine;
  allocation->poison();
  quarantine.bytes += allocation->bytes;
  quarantine.freed.push_back(std::move(allocation));
  while (quarantine.bytes > quarantineBytes) {
    quarantine.bytes -= quarantine.freed.front()->bytes;
    quarantine.freed.pop_front();
  }
}

CUresult allocate(size_t bytes, CUdeviceptr* address) {
  if (address == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (driver().usedBytes + bytes > driver().settings.memoryBytes) return CUDA_ERROR_OUT_OF_MEMORY;
  auto allocation = std::make_shared<Allocation>(bytes);
  *address = reinterpret_cast<CUdeviceptr>(allocation->begin);
  driver().usedBytes += bytes;
  driver().allocations[*address] = std::move(allocation);
  return CUDA_SUCCESS;
}

/// Takes it from the table: from now on it is no device memory any more.
std::shared_ptr<Allocation> take(CUdeviceptr address) {
  const auto found = driver().allocations.find(address);
  if (found == driver().allocations.end()) return nullptr;
  std::shared_ptr<Allocation> allocation = std::move(found->second);
  driver().allocations.erase(found);
  driver().usedBytes -= allocation->bytes;
  return allocation;
}

bool isPinned(const void* address, size_t bytes) {
  const char* begin = static_cast<const char*>(address);
  auto after = driver().pinned.upper_bound(begin);
  if (after == driver().pinned.begin()) return false;
  --after;
  return begin + bytes <= after->first + after->second;
}

}  // namespace

Allocation::Allocation(size_t size) : bytes(size) {
  const size_t rounded = (size + alignment - 1) / alignment * alignment;
  // Under AddressSanitizer the red zone must start right behind the last byte, or the last word: to add to an element of
  // less than a word, a kernel compares and swaps the word around it, as it must on a device.
  const size_t total = guardBytes == 0 ? (size + 3) / 4 * 4 : rounded + 2 * guardBytes;
  void* block = nullptr;
  if (posix_memalign(&block, alignment, total) != 0) throw std::bad_alloc();
  block_ = static_cast<char*>(block);
  begin = block_ + guardBytes;
  if (guardBytes > 0) memset(block_, guardByte, total);
  poison();
}

Allocation::~Allocation() { free(block_); }

void Allocation::poison() { memset(begin, poisonByte, bytes); }

std::string Allocation::damage() const {
  if (guardBytes == 0) return "";
  // Every launch looks at all allocations.
  static const std::string untouched(guardBytes + alignment, guardByte);
  const char* end = begin + bytes;
  const size_t behind = size_t(block_ + guardBytes + (bytes + alignment - 1) / alignment * alignment + guardBytes - end);
  if (memcmp(block_, untouched.data(), guardBytes) == 0 && memcmp(end, untouched.data(), behind) == 0) return "";
  const std::string whole = " of an allocation of " + std::to_string(bytes) + " bytes";
  for (const char* at = block_; at < begin; at++) {
    if (*at != guardByte) return "wrote at byte -" + std::to_string(begin - at) + whole;
  }
  const char* at = end;
  while (*at == guardByte) at++;
  return "wrote at byte " + std::to_string(at - begin) + whole;
}

Allocation* allocationAt(CUdeviceptr address) {
  auto after = driver().allocations.upper_bound(address);
  if (after == driver().allocations.begin()) return nullptr;
  --after;
  return address < after->first + after->second->bytes ? after->second.get() : nullptr;
}

bool isDeviceRange(CUdeviceptr address, size_t bytes) {
  const Allocation* allocation = allocationAt(address);
  return allocation != nullptr && address + bytes <= reinterpret_cast<CUdeviceptr>(allocation->begin) + allocation->bytes;
}

std::string damageAnywhere() {
  for (const auto& [address, allocation] : driver().allocations) {
    const std::string damage = allocation->damage();
    if (!damage.empty()) return damage;
  }
  return "";
}

void freeAll() {
  for (auto& [address, allocation] : driver().allocations) retire(std::move(allocation));
  driver().allocations.clear();
  driver().usedBytes = 0;
}

namespace {

/// How a call treats the stream: queue and go on, or wait for the end.
enum class Manner { asynchronous, synchronous };

CUresult submitCopy(Call& call, CUstream handle, Manner manner, Work work, bool waits) {
  CUstream stream = streamOf(handle);
  if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  const bool captured = stream->capture != nullptr;
  if (manner == Manner::synchronous) {
    if (const CUresult refusal = refuseWhileCapturing(); refusal != CUDA_SUCCESS) return refusal;
  }
  const CUresult result = submit(stream, std::move(work));
  if (result != CUDA_SUCCESS || captured || (manner == Manner::asynchronous && !waits)) return result;
  await(call.lock, stream->queue->end());
  return driver().failure;
}

CUresult copyToDevice(CUdeviceptr to, const void* from, size_t bytes, CUstream handle, Manner manner) {
  Call call = needsContext();
  if (call.refused()) return call.result;
  if (bytes == 0) return CUDA_SUCCESS;
  if (!isDeviceRange(to, bytes) || from == nullptr) return CUDA_ERROR_INVALID_VALUE;
  auto* device = reinterpret_cast<char*>(to);
  CUstream stream = streamOf(handle);
  // Memory that is not pinned is staged before the call returns; pinned memory is read when the copy runs. ("API
  // synchronization behavior" in the manual.) A graph reads it when it is launched.
  if (!isPinned(from, bytes) && (stream == nullptr || stream->capture == nullptr)) {
    const auto* bytesOfHost = static_cast<const char*>(from);
    auto staged = std::make_shared<std::string>(bytesOfHost, bytes);
    return submitCopy(call, handle, manner, [=] { return memcpy(device, staged->data(), bytes), CUDA_SUCCESS; }, false);
  }
  return submitCopy(call, handle, manner, [=] { return memcpy(device, from, bytes), CUDA_SUCCESS; }, false);
}

CUresult copyToHost(void* to, CUdeviceptr from, size_t bytes, CUstream handle, Manner manner) {
  Call call = needsContext();
  if (call.refused()) return call.result;
  if (bytes == 0) return CUDA_SUCCESS;
  if (!isDeviceRange(from, bytes) || to == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const auto* device = reinterpret_cast<const char*>(from);
  // To memory that is not pinned the call returns when the copy is done.
  return submitCopy(call, handle, manner, [=] { return memcpy(to, device, bytes), CUDA_SUCCESS; }, !isPinned(to, bytes));
}

CUresult copyOnDevice(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream handle, Manner manner) {
  Call call = needsContext();
  if (call.refused()) return call.result;
  if (bytes == 0) return CUDA_SUCCESS;
  if (!isDeviceRange(to, bytes) || !isDeviceRange(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
  return submitCopy(call, handle, manner, [=] { return memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes), CUDA_SUCCESS; }, false);
}

template <typename T>
CUresult fill(CUdeviceptr to, T value, size_t count, CUstream handle, Manner manner) {
  Call call = needsContext();
  if (call.refused()) return call.result;
  if (count == 0) return CUDA_SUCCESS;
  if (!isDeviceRange(to, count * sizeof(T)) || to % sizeof(T) != 0) return CUDA_ERROR_INVALID_VALUE;
  return submitCopy(call, handle, manner, [=] { return std::fill_n(reinterpret_cast<T*>(to), count, value), CUDA_SUCCESS; }, false);
}

}  // namespace

}  // namespace tsdlc::standin

using namespace tsdlc::standin;

EXPORTED CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (const CUresult refusal = refuseWhileCapturing(); refusal != CUDA_SUCCESS) return refusal;
  return allocate(bytes, address);
}

EXPORTED CUresult cuMemFree_v2(CUdeviceptr address) {
  Call call = needsContext();
  if (call.refused()) return call.result;
  if (address == 0) return CUDA_SUCCESS;
  if (const CUresult refusal = refuseWhileCapturing(); refusal != CUDA_SUCCESS) return refusal;
  const auto found = driver().allocations.find(address);
  if (found == driver().allocations.end()) return CUDA_ERROR_INVALID_VALUE;
  if (!found->second->ordered) finishAll(call.lock);
  if (auto allocation = take(address)) retire(std::move(allocation));
  return driver().failure;
}

EXPORTED CUresult cuMemAllocAsync(CUdeviceptr* address, size_t bytes, CUstream handle) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  CUstream stream = streamOf(handle);
  if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture != nullptr) {
    driver().say("cuMemAllocAsync is called in a capture: the real one would make a node, the stand-in has none");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const CUresult result = allocate(bytes, address);
  if (result != CUDA_SUCCESS) return result;
  driver().allocations[*address]->ordered = true;
  // What another stream writes before this point is lost.
  return submit(stream, [begin = reinterpret_cast<void*>(*address), bytes] { return memset(begin, poisonByte, bytes), CUDA_SUCCESS; });
}

EXPORTED CUresult cuMemFreeAsync(CUdeviceptr address, CUstream handle) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (address == 0) return CUDA_SUCCESS;
  CUstream stream = streamOf(handle);
  if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture != nullptr) {
    driver().say("cuMemFreeAsync is called in a capture: the real one would make a node, the stand-in has none");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const std::shared_ptr<Allocation> allocation = take(address);
  if (allocation == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return submit(stream, [allocation] { return allocation->poison(), CUDA_SUCCESS; });
}

EXPORTED CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  *total = driver().settings.memoryBytes;
  *free = *total - std::min<uint64_t>(*total, driver().usedBytes);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (bytes == 0 || posix_memalign(address, 4096, bytes) != 0) return CUDA_ERROR_INVALID_VALUE;
  memset(*address, poisonByte, bytes);
  driver().pinned[static_cast<const char*>(*address)] = bytes;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuMemFreeHost(void* address) {
  Call call = needsContext();
  if (call.refused()) return call.result;
  if (driver().pinned.count(static_cast<const char*>(address)) == 0) return CUDA_ERROR_INVALID_VALUE;
  finishAll(call.lock);
  driver().pinned.erase(static_cast<const char*>(address));
  free(address);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuMemHostRegister_v2(void* address, size_t bytes, unsigned) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (address == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (isPinned(address, 1)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  driver().pinned[static_cast<const char*>(address)] = bytes;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuMemHostUnregister(void* address) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  return driver().pinned.erase(static_cast<const char*>(address)) == 0 ? CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED : CUDA_SUCCESS;
}

EXPORTED CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) { return copyToDevice(to, from, bytes, nullptr, Manner::synchronous); }
EXPORTED CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) { return copyToHost(to, from, bytes, nullptr, Manner::synchronous); }
EXPORTED CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  // Between memories of the device even the plain call returns early.
  return copyOnDevice(to, from, bytes, nullptr, Manner::asynchronous);
}
EXPORTED CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  return copyToDevice(to, from, bytes, stream, Manner::asynchronous);
}
EXPORTED CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return copyToHost(to, from, bytes, stream, Manner::asynchronous);
}
EXPORTED CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return copyOnDevice(to, from, bytes, stream, Manner::asynchronous);
}
EXPORTED CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count) { return fill<unsigned char>(to, value, count, nullptr, Manner::asynchronous); }
EXPORTED CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return fill<unsigned char>(to, value, count, stream, Manner::asynchronous);
}
EXPORTED CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  return fill<unsigned>(to, value, count, stream, Manner::asynchronous);
}
