#include "shared-library.h"

#include <dlfcn.h>

#include "../failure.h"

namespace tsdlc::cuda {

SharedLibrary::SharedLibrary(const std::string& path, const std::vector<std::string>& names, const std::string& what,
                             const std::string& help) {
  std::string reason;
  for (const std::string& name : path.empty() ? names : std::vector<std::string>{path}) {
    library_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ != nullptr) {
      name_ = name;
      return;
    }
    const char* said = dlerror();
    // The first name is the one that a user would expect.
    if (reason.empty()) reason = said != nullptr ? said : name + " cannot be opened";
  }
  throw Failed{failed(what + " cannot be opened: " + reason + ": " + help)};
}

void* SharedLibrary::find(const char* name) const { return dlsym(library_, name); }

}  // namespace tsdlc::cuda
