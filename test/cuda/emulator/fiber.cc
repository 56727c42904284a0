#include "fiber.h"

#include <stdint.h>

#ifdef TSDLC_SANITIZE
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace tsdlc::emulator {

namespace {

/// The fiber that gave the turn, whose stack AddressSanitizer reports back on arrival.
thread_local Fiber* previous = nullptr;

}  // namespace

#if defined(__x86_64__)

// A turn takes a few nanoseconds by hand and a hundred by swapcontext, which asks the kernel about signals: a block of
// 256 threads with ten barriers has thousands of turns. Callee-saved registers of the System V ABI go on the stack; the
// rest was saved by the caller of this function.
extern "C" void tsdlc_switch_stack(void** from, void* to);
asm(R"(
.text
.type tsdlc_switch_stack, @function
tsdlc_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size tsdlc_switch_stack, . - tsdlc_switch_stack
)");

constexpr int savedRegisters = 6;

#endif

void Fiber::prepare(void* stack, size_t bytes, void (*entry)()) {
  stack_ = stack;
  bytes_ = bytes;
  fakeStack_ = nullptr;
#if defined(__x86_64__)
  auto top = reinterpret_cast<uintptr_t>(stack) + bytes;
  // At the entry of a function the stack pointer is 8 past a multiple of 16: there would be a return address.
  auto* pointer = reinterpret_cast<uintptr_t*>(top & ~uintptr_t{15});
  *--pointer = 0;
  *--pointer = reinterpret_cast<uintptr_t>(entry);
  for (int i = 0; i < savedRegisters; i++) *--pointer = 0;
  stackPointer_ = pointer;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack;
  context_.uc_stack.ss_size = bytes;
  context_.uc_link = nullptr;
  makecontext(&context_, entry, 0);
#endif
}

void Fiber::arrived() {
#ifdef TSDLC_SANITIZE
  Fiber* from = previous;
  const void* stack;
  size_t bytes;
  __sanitizer_finish_switch_fiber(nullptr, &stack, &bytes);
  // How the stack of the thread that runs the fibers becomes known.
  if (from->stack_ == nullptr) {
    from->stack_ = stack;
    from->bytes_ = bytes;
  }
#endif
}

void Fiber::turn(Fiber& from, Fiber& to) {
  previous = &from;
#ifdef TSDLC_SANITIZE
  __sanitizer_start_switch_fiber(&from.fakeStack_, to.stack_, to.bytes_);
#endif
#if defined(__x86_64__)
  tsdlc_switch_stack(&from.stackPointer_, to.stackPointer_);
#else
  swapcontext(&from.context_, &to.context_);
#endif
#ifdef TSDLC_SANITIZE
  __sanitizer_finish_switch_fiber(from.fakeStack_, nullptr, nullptr);
#endif
}

void Fiber::lastTurn(Fiber& from, Fiber& to) {
  previous = &from;
#ifdef TSDLC_SANITIZE
  __sanitizer_start_switch_fiber(nullptr, to.stack_, to.bytes_);
#endif
#if defined(__x86_64__)
  tsdlc_switch_stack(&from.stackPointer_, to.stackPointer_);
#else
  setcontext(&to.context_);
#endif
  __builtin_unreachable();
}

}  // namespace tsdlc::emulator
