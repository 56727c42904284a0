#include "cpu-features.h"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tsdlc {

#if defined(__x86_64__)

namespace {

enum Register { eax, ebx, ecx, edx };

/// A feature also needs the system to save the registers it uses (XCR0).
enum Saved : uint32_t { none = 0, avx = 0x6, avx512 = 0xe6 };

struct Feature {
  const char* name;
  uint32_t leaf;
  Register where;
  int bit;
  Saved saved;
};

/// Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
const Feature features[] = {
    {"sse3", 1, ecx, 0, none},          {"ssse3", 1, ecx, 9, none},         {"fma", 1, ecx, 12, avx},
    {"sse4.1", 1, ecx, 19, none},       {"sse4.2", 1, ecx, 20, none},       {"movbe", 1, ecx, 22, none},
    {"popcnt", 1, ecx, 23, none},       {"avx", 1, ecx, 28, avx},           {"f16c", 1, ecx, 29, avx},
    {"bmi", 7, ebx, 3, none},           {"avx2", 7, ebx, 5, avx},           {"bmi2", 7, ebx, 8, none},
    {"avx512f", 7, ebx, 16, avx512},    {"avx512dq", 7, ebx, 17, avx512},   {"avx512cd", 7, ebx, 28, avx512},
    {"avx512bw", 7, ebx, 30, avx512},   {"avx512vl", 7, ebx, 31, avx512},   {"avx512vnni", 7, ecx, 11, avx512},
    {"avx512fp16", 7, edx, 23, avx512}, {"lzcnt", 0x80000001, ecx, 5, none},
};

uint32_t savedRegisters() {
  uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

}  // namespace

std::vector<std::string> cpuFeatures() {
  std::vector<std::string> names{"sse", "sse2"};
  uint32_t values[4];
  if (!__get_cpuid(1, &values[0], &values[1], &values[2], &values[3])) return names;
  const bool hasXgetbv = (values[ecx] >> 27 & 1) != 0;
  const uint32_t saved = hasXgetbv ? savedRegisters() : 0;
  for (const Feature& feature : features) {
    if (!__get_cpuid_count(feature.leaf, 0, &values[0], &values[1], &values[2], &values[3])) continue;
    const bool present = (values[feature.where] >> feature.bit & 1) != 0;
    if (present && (saved & feature.saved) == feature.saved) names.push_back(feature.name);
  }
  return names;
}

#elif defined(__aarch64__)

/// Advanced SIMD is part of the base architecture.
std::vector<std::string> cpuFeatures() { return {"neon"}; }

#else

std::vector<std::string> cpuFeatures() { return {}; }

#endif

}  // namespace tsdlc
