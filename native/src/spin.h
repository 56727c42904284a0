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

/// About what waking a sleeping thread costs: a wait that ends sooner is won, one that does not has at most doubled.
constexpr std::chrono::microseconds wakeTime{20};

/// About what JavaScript takes from one awaited call to the next, so that a loop of calls finds its helpers awake; longer,
/// and on a machine of two cores they would keep JavaScript from running.
constexpr std::chrono::microseconds betweenCalls{50};

/// Spins until `done()` or the time has passed; whether it is done.
template <typename Done>
bool spinBriefly(Done done, std::chrono::microseconds time = wakeTime) {
  const auto deadline = std::chrono::steady_clock::now() + time;
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
