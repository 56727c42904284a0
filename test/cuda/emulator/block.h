// One block at work: its threads, who of them can run, and where the others wait.
//
// A thread has the turn until it waits. It waits at the block's barrier or in a meeting of lanes, and becomes runnable
// when the last one arrives. When nobody can run and somebody waits, the block is stuck, and says who waits where.

#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "emulator.h"
#include "fiber.h"

namespace tsdlc::emulator {

/// Memory for the stacks of a block's threads; kept by its thread of the operating system from launch to launch.
class Stacks {
 public:
  Stacks();
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;
  char* of(unsigned thread) const { return first_ + thread * stackBytes; }

 private:
  void* mapping_;
  char* first_;
};

class Block final : public Machine {
 public:
  Block(const Launch& launch, const Knobs& knobs);
  /// Runs the block at this index; returns what went wrong, or nothing.
  const std::string& run(Index3 index, uint64_t seed);

  void barrier(int line) override;
  void meet(const Collective& collective) override;
  void copyAsynchronously(void* shared, const void* global, size_t bytes, int line) override;
  void commitCopies() override;
  void awaitCopies(unsigned pending) override;
  void checkShared(const void* address, size_t bytes, size_t alignment, const char* user, int line) override;
  void* dynamicShared() override;
  [[noreturn]] void fault(const char* message, int line) override;

 private:
  /// Lanes of one warp on their way to the same operation.
  struct Meeting {
    Collective collective;
    uint32_t arrived;
    void* operands[warpSize];
  };
  struct Warp {
    uint32_t runnable;
    uint32_t present;
    std::vector<Meeting> meetings;
  };
  struct Copy {
    void* shared;
    const void* global;
    size_t bytes;
    unsigned group;
  };
  /// What the emulator knows of a thread and the kernel does not.
  struct Progress {
    Fiber fiber;
    const char* waitsIn = nullptr;
    int line = 0;
    bool returned = false;
    unsigned groups = 0;
    std::vector<Copy> copies;
  };

  static void enter();
  void begin(Index3 index);
  unsigned next();
  void wait(unsigned number, const char* place, int line);
  void release(unsigned warp, uint32_t lanes);
  [[noreturn]] void finish(unsigned number);
  [[noreturn]] void stuck(unsigned number);
  [[noreturn]] void stop(unsigned number, std::string message);
  std::string whoWaits() const;
  void poisonShared();
  bool isShared(const void* address, size_t bytes) const;

  const Launch& launch_;
  const Knobs& knobs_;
  Stacks& stacks_;
  unsigned threads_;
  std::vector<Warp> warps_;
  std::vector<Progress> progress_;
  std::unique_ptr<char[]> dynamic_;
  char* dynamicBegin_ = nullptr;
  uint32_t runnableWarps_ = 0;
  unsigned atBarrier_ = 0;
  int barrierLine_ = 0;
  Fiber scheduler_;
  Index3 index_{};
  std::minstd_rand random_;
  std::string fault_;
};

}  // namespace tsdlc::emulator
