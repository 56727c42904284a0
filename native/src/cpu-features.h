// What the CPU can do, in the names that compilers use for their -m options: "avx2", "avx512f", "neon".

#pragma once

#include <string>
#include <vector>

namespace tsdlc {

std::vector<std::string> cpuFeatures();

}  // namespace tsdlc
