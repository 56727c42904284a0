// A shared object of kernels, and the signature that all kernels have.

#pragma once

#include <cstdint>
#include <string>

namespace tsdlc {

/// Runs iterations [begin, end) of a kernel's grid. `dims` are the sizes of the Program's named dims, in its order.
using KernelEntry = void (*)(void* const* buffers, const int64_t* dims, int64_t begin, int64_t end);

class KernelLibrary {
 public:
  /// Throws std::runtime_error with the loader's own message.
  explicit KernelLibrary(const std::string& path);
  ~KernelLibrary();
  KernelLibrary(const KernelLibrary&) = delete;
  KernelLibrary& operator=(const KernelLibrary&) = delete;

  /// Null when there is no such kernel.
  KernelEntry find(const std::string& name) const;

 private:
  void* library_;
};

}  // namespace tsdlc
