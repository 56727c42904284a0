#include "driver.h"

#include <stdio.h>
#include <string.h>

namespace tsdlc::standin {

thread_local CUcontext current = nullptr;

Driver& driver() {
  static Driver& only = *new Driver;
  return only;
}

void Driver::say(const std::string& text) {
  message = text;
  fprintf(stderr, "stand-in for libcuda: %s\n", text.c_str());
}

Call needsDriver() {
  Lock lock(driver().mutex);
  const CUresult result = driver().initialized ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
  return {std::move(lock), result};
}

Call needsContext() {
  Call call = needsDriver();
  if (call.refused()) return call;
  if (current == nullptr || current->users == 0) call.result = CUDA_ERROR_INVALID_CONTEXT;
  else call.result = driver().failure;
  return call;
}

}  // namespace tsdlc::standin

/// Changes a setting; see settings.h. Not of the real library.
EXPORTED CUresult standin_configure(const char* name, const char* value) {
  tsdlc::standin::Lock lock(tsdlc::standin::driver().mutex);
  return tsdlc::standin::driver().settings.set(name, value) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/// Copies what the stand-in last said of a fault, as text of at most `bytes` - 1 characters.
EXPORTED void standin_message(char* text, size_t bytes) {
  tsdlc::standin::Lock lock(tsdlc::standin::driver().mutex);
  snprintf(text, bytes, "%s", tsdlc::standin::driver().message.c_str());
}
