// cp.async: copies from global to shared memory that go on while the thread does. When they happen between issue and
// wait is a knob of the emulator: at once, or as late as their wait allows. A kernel must be right under both.

#pragma once

#include "thread.h"

inline void cp_async_16(void* shared, const void* global, int line = __builtin_LINE()) {
  tsdlc::emulator::self().machine->copyAsynchronously(shared, global, 16, line);
}

inline void cp_async_commit() { tsdlc::emulator::self().machine->commitCopies(); }

template <int pending>
void cp_async_wait() {
  static_assert(pending >= 0);
  tsdlc::emulator::self().machine->awaitCopies(pending);
}
