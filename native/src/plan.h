// A plan: a Program for one tuple of sizes, as flat numbers. The same for every device.
//
// The one idea: the structured steps are flattened to a few instructions with jumps, every buffer is a base and an
// offset, and all formulas were evaluated before. Walking (run.h) is then a loop over integers that nothing can surprise
// except a lack of memory or a device that is lost.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage.h"

namespace tsdlc {

/// Each is followed by its operands in `Plan::code`.
enum Instruction : int32_t {
  launchKernel = 0,   // kernel, count, count buffers
  copyBuffer = 1,     // from, to
  branchIfFalse = 2,  // buffer of one bool, target
  jump = 3,           // target
  pushStack = 4,      // stack, buffer
  popStack = 5,       // stack, buffer
  clearStack = 6,     // stack
};

enum class BufferKind : int32_t { parameter = 0, result = 1, temporary = 2, constant = 3 };

struct Plan {
  struct Kernel {
    std::string entry;
    /// What it does and where it comes from, for messages.
    std::string label;
    int64_t grid;
    double work;
    /// Threads of a block; 0 on the CPU.
    uint32_t threads;
    /// How many of a launch's buffers, the first ones, are only read; 0 where that is not known.
    uint32_t inputs;
  };
  struct Buffer {
    BufferKind kind;
    /// Leaf of a parameter, position of a result, byte offset of a temporary in the arena or of a constant.
    size_t position;
    size_t bytes;
  };
  struct Result {
    size_t bytes;
    /// The donated parameter leaf whose memory it may take, or -1.
    int reuses;
  };

  std::string name;
  /// Null when the Program has no constants.
  std::shared_ptr<Storage> constants;
  std::vector<int64_t> dims;
  std::vector<Kernel> kernels;
  std::vector<Buffer> buffers;
  std::vector<Result> results;
  /// Bytes that each parameter leaf must have.
  std::vector<size_t> parameterBytes;
  std::vector<bool> donated;
  /// The buffer of each result leaf.
  std::vector<int32_t> outputs;
  /// Bytes of an element of each stack.
  std::vector<size_t> stackBytes;
  std::vector<int32_t> code;
  size_t arenaBytes = 0;
  /// Scalar operations of a whole run; infinite where loops make it unknown.
  double work = 0;

  /// Throws std::invalid_argument when an index is out of range: the walker trusts a plan.
  void check() const;
};

}  // namespace tsdlc
