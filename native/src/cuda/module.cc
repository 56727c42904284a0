#include "module.h"

#include <utility>
#include <vector>

namespace tsdlc::cuda {

namespace {

constexpr size_t logBytes = 16384;

}  // namespace

Module::Module(std::shared_ptr<Context> context, const std::string& image) : context_(std::move(context)) {
  context_->enter();
  context_->requireUsable();
  const Driver& driver = context_->driver();
  std::vector<char> log(logBytes, '\0');
  int options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  // A value that is a number is passed in the pointer itself.
  void* values[] = {log.data(), reinterpret_cast<void*>(logBytes - 1)};
  const bool hasLibraries = driver.cuLibraryLoadData != nullptr && driver.cuLibraryUnload != nullptr &&
                            driver.cuLibraryGetKernel != nullptr && driver.cuKernelGetFunction != nullptr;
  const CUresult result = hasLibraries
                              ? driver.cuLibraryLoadData(&library_, image.c_str(), options, values, 2, nullptr, nullptr, 0)
                              : driver.cuModuleLoadDataEx(&module_, image.c_str(), 2, options, values);
  if (result == CUDA_SUCCESS) return;
  const FailureReference failure = context_->failureOf(result, "loading kernels");
  if (failure->kind == Failure::Kind::deviceLost) throw Failed{failure};
  throw Refused{result, driver.explain(result) + (log[0] == '\0' ? "" : "\n" + std::string(log.data()))};
}

Module::~Module() {
  context_->enter();
  if (context_->isLost()) return;
  if (library_ != nullptr) context_->driver().cuLibraryUnload(library_);
  if (module_ != nullptr) context_->driver().cuModuleUnload(module_);
}

CUfunction Module::find(const std::string& name) const {
  context_->enter();
  const Driver& driver = context_->driver();
  CUfunction function = nullptr;
  CUresult result;
  if (library_ != nullptr) {
    CUkernel kernel = nullptr;
    result = driver.cuLibraryGetKernel(&kernel, library_, name.c_str());
    // A library is loaded into a context by the first use of a kernel, which must not be inside of a capture.
    if (result == CUDA_SUCCESS) result = driver.cuKernelGetFunction(&function, kernel);
  } else {
    result = driver.cuModuleGetFunction(&function, module_, name.c_str());
  }
  if (result == CUDA_ERROR_NOT_FOUND) return nullptr;
  context_->check(result, [&] { return "loading the kernel " + name; });
  return function;
}

}  // namespace tsdlc::cuda
