// A run: one call of a plan, as a job of its device's queue.
//
// The one idea: what is the same on every device is here (inputs that failed before, memory of results and
// temporaries, the walk over the instructions); what a launch and a copy are is the device's.

#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "failure.h"
#include "machine.h"
#include "plan.h"
#include "run-stacks.h"

namespace tsdlc {

/// Holds its inputs until it ends.
class Run : public Job {
 public:
  struct Result {
    std::shared_ptr<Storage> storage;
    /// The input whose memory it takes over, or -1 for memory of its own.
    int takes;
  };
  using Inputs = std::vector<std::shared_ptr<Storage>>;
  using Results = std::vector<Result>;

  Run(Machine& machine, const Plan& plan, Inputs inputs, Results results);

  void execute() final;
  void abandon() final;

 protected:
  /// Does the work on the plan's buffers, which lie at `pointers`; throws Failed.
  virtual void walk(void* const* pointers) = 0;

  const Inputs& inputs() const { return inputs_; }
  const Results& results() const { return results_; }
  /// Null when there are no temporaries.
  void* arena() const { return arena_; }

 private:
  void perform();
  void finish(const FailureReference& failure);

  Machine& machine_;
  const Plan& plan_;
  Inputs inputs_;
  Results results_;
  void* arena_ = nullptr;
};

/// A plan with its kernels found: what `prepare` gives. Runs hold a reference.
class PreparedPlan : public std::enable_shared_from_this<PreparedPlan> {
 public:
  explicit PreparedPlan(Plan planned) : plan(std::move(planned)) {}
  virtual ~PreparedPlan() = default;

  virtual std::unique_ptr<Run> newRun(Run::Inputs inputs, Run::Results results) = 0;
  /// So little work that a thread hand-over would cost more: when the queue is empty it may run on the calling thread.
  virtual bool runsAtOnce() const { return false; }
  /// Does the work on the plan's buffers, which lie at `pointers`, on the calling thread and outside of the queue. Only of
  /// plans that run at once.
  virtual void walkHere(void* const* pointers) const;

  const Plan plan;
};

/// Throws Failed when the device is being closed: a loop that would never end must not keep the process from ending.
void requireOpen(const Plan& plan, const std::atomic<bool>& closing);

/// Follows the instructions of a plan. `Walker` has
///   launch(kernel, buffers, count)   kernel and buffers are indices
///   copy(from, to)
///   holds(buffer) -> bool
///   save(buffer, to), restore(from, buffer)   between a buffer and memory of a stack
///   obtained(memory)                 before the first use of memory that a stack has got
template <typename Walker>
void walkPlan(const Plan& plan, const Machine& machine, RunStacks& stacks, Walker&& walker) {
  const std::atomic<bool>& closing = machine.queue.closing();
  const std::vector<int32_t>& code = plan.code;
  for (size_t at = 0; at < code.size();) {
    switch (code[at]) {
      case launchKernel: {
        const int32_t count = code[at + 2];
        walker.launch(code[at + 1], code.data() + at + 3, count);
        at += 3 + static_cast<size_t>(count);
        break;
      }
      case copyBuffer:
        walker.copy(code[at + 1], code[at + 2]);
        at += 3;
        break;
      case branchIfFalse:
        at = walker.holds(code[at + 1]) ? at + 3 : static_cast<size_t>(code[at + 2]);
        break;
      case pushStack: {
        const size_t bytes = stacks.nextBytes(code[at + 1]);
        const RunStacks::Place place = stacks.push(code[at + 1]);
        if (place.data == nullptr) throw Failed{machine.outOfMemory(plan.name + ": ", "what a loop keeps for its gradient", bytes)};
        if (place.fresh != nullptr) walker.obtained(place.fresh);
        walker.save(code[at + 2], place.data);
        at += 3;
        break;
      }
      case popStack: {
        const RunStacks::Place place = stacks.pop(code[at + 1]);
        if (place.data == nullptr) throw Failed{failed(plan.name + ": a stack is popped that is empty")};
        walker.restore(place.data, code[at + 2]);
        at += 3;
        break;
      }
      case clearStack:
        stacks.clear(code[at + 1]);
        at += 2;
        break;
      case jump:
        // Every loop passes here.
        requireOpen(plan, closing);
        at = static_cast<size_t>(code[at + 1]);
        break;
    }
  }
}

}  // namespace tsdlc
