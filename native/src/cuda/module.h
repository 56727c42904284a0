// Code for a GPU: machine code or PTX that the driver has loaded, and its kernels.

#pragma once

#include <memory>
#include <string>

#include "context.h"

namespace tsdlc::cuda {

/// The driver refused an image.
struct Refused {
  CUresult result;
  /// What the driver said, and the log of its compiler.
  std::string message;
};

class Module {
 public:
  /// `image` ends with a zero byte, as PTX must. Throws Refused, or Failed when the device is lost.
  Module(std::shared_ptr<Context> context, const std::string& image);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// The kernel, loaded; null when there is none of that name. Throws Failed.
  CUfunction find(const std::string& name) const;

 private:
  const std::shared_ptr<Context> context_;
  /// One of the two, by the driver's age: libraries are since CUDA 12.0.
  CUlibrary library_ = nullptr;
  CUmodule module_ = nullptr;
};

}  // namespace tsdlc::cuda
