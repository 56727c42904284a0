// Waiting for a few microseconds without giving up the core, and politely after that.

#pragma once

#include <chrono>
#include <thread>

namespace tsdlc {

inline void pauseCore() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins until `done()` or about 20 microseconds have passed; whether it is done. Waking a sleeping thread costs about
/// that long, so a wait that ends sooner is won and one that does not has at most doubled.
template <typename Done>
bool spinBriefly(Done done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(20);
  do {
    for (int turn = 0; turn < 32; turn++) {
      if (done()) return true;
      pauseCore();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return done();
}

/// Waits for something another running thread is about to finish; yields, since that thread may need this core.
template <typename Done>
void spinUntil(Done done) {
  while (!spinBriefly(done)) std::this_thread::yield();
}

}  // namespace tsdlc
