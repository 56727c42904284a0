#include "kernel-library.h"

#include <dlfcn.h>

#include <stdexcept>

namespace tsdlc {

KernelLibrary::KernelLibrary(const std::string& path) : library_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (library_ != nullptr) return;
  const char* reason = dlerror();
  throw std::runtime_error(reason != nullptr ? reason : "the shared object cannot be opened");
}

KernelLibrary::~KernelLibrary() { dlclose(library_); }

KernelEntry KernelLibrary::find(const std::string& name) const {
  return reinterpret_cast<KernelEntry>(dlsym(library_, name.c_str()));
}

}  // namespace tsdlc
