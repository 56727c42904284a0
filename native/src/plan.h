// A plan: a Program for one tuple of sizes, as flat numbers; and a run of it, which walks them.
//
// The one idea: the structured steps are flattened to four instructions with jumps, every buffer is a base and an
// offset, and all formulas were evaluated before. Walking is then a loop over integers that nothing can surprise
// except a lack of memory.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "allocator.h"
#include "kernel-library.h"
#include "run-queue.h"
#include "storage.h"
#include "thread-pool.h"

namespace tsdlc {

/// Each is followed by its operands in `Plan::code`.
enum Instruction : int32_t {
  launchKernel = 0,   // kernel, count, count buffers
  copyBuffer = 1,     // from, to
  branchIfFalse = 2,  // buffer of one bool, target
  jump = 3,           // target
};

enum class BufferKind : int32_t { parameter = 0, result = 1, temporary = 2, constant = 3 };

struct Plan {
  struct Kernel {
    KernelEntry entry;
    int64_t grid;
    double work;
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
  std::shared_ptr<KernelLibrary> library;
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
  std::vector<int32_t> code;
  size_t arenaBytes = 0;
  /// So little work that a thread hand-over would cost more: it may run on the calling thread.
  bool small = false;

  /// Throws std::invalid_argument when an index is out of range: the walker trusts a plan.
  void check() const;
};

/// What a run needs of its device; outlives every run.
struct Machine {
  std::shared_ptr<Allocator> allocator;
  ThreadPool pool;
  RunQueue queue;

  Machine(std::shared_ptr<Allocator> memory, int threads) : allocator(std::move(memory)), pool(threads) {}
  ~Machine() { queue.close(); }
};

/// One call of a plan. Holds its inputs until it ends.
class Run : public Job {
 public:
  struct Result {
    std::shared_ptr<Storage> storage;
    /// The input whose memory it takes over, or -1 for memory of its own.
    int takes;
  };

  Run(Machine& machine, std::shared_ptr<const Plan> plan, std::vector<std::shared_ptr<Storage>> inputs,
      std::vector<Result> results);

  void execute() override;
  void abandon() override;

 private:
  /// Null, or why there are no results.
  std::shared_ptr<const Failure> perform();
  std::shared_ptr<const Failure> walk(void* const* pointers);
  std::shared_ptr<const Failure> outOfMemory(const char* what, size_t bytes) const;
  void finish(const std::shared_ptr<const Failure>& failure);

  Machine& machine_;
  std::shared_ptr<const Plan> plan_;
  std::vector<std::shared_ptr<Storage>> inputs_;
  std::vector<Result> results_;
};

}  // namespace tsdlc
