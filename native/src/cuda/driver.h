// The CUDA driver, opened at run time: a table of functions.

#pragma once

#include <memory>
#include <string>

#include "driver-api.h"
#include "shared-library.h"

namespace tsdlc::cuda {

struct Driver {
  /// Opens the driver, libcuda.so.1 if `path` is empty, and initializes it. Throws Failed, saying what is missing: the
  /// library, a new enough version of it, a device.
  static std::shared_ptr<const Driver> open(const std::string& path);

  /// "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"
  std::string explain(CUresult result) const;
  /// 12040 for CUDA 12.4.
  int version = 0;
  int devices = 0;

#define TSDLC_CUDA_FUNCTION(name, parameters) CUresult(*name) parameters = nullptr;
  TSDLC_CUDA_FUNCTIONS(TSDLC_CUDA_FUNCTION)
  TSDLC_CUDA_LIBRARY_FUNCTIONS(TSDLC_CUDA_FUNCTION)
#undef TSDLC_CUDA_FUNCTION

 private:
  explicit Driver(const std::string& path);
  SharedLibrary library_;
};

/// "12.4"
std::string versionText(int version);

}  // namespace tsdlc::cuda
