// What the addon exports for GPUs: openCuda, compileCuda and nvrtcVersion.

#pragma once

#include <napi.h>

namespace tsdlc::cuda {

void define(Napi::Env env, Napi::Object exports);

}  // namespace tsdlc::cuda
