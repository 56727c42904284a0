#include "run.h"

#include <utility>

namespace tsdlc {

Run::Run(Machine& machine, const Plan& plan, Inputs inputs, Results results)
    : machine_(machine), plan_(plan), inputs_(std::move(inputs)), results_(std::move(results)) {}

void Run::execute() {
  FailureReference failure;
  try {
    perform();
  } catch (const Failed& stopped) {
    failure = stopped.failure;
  }
  if (arena_ != nullptr) machine_.allocator->release(arena_, plan_.arenaBytes);
  finish(failure);
}

void Run::abandon() { finish(failed(plan_.name + " did not run: its device was closed")); }

void Run::perform() {
  for (const std::shared_ptr<Storage>& input : inputs_) {
    if (input->state() == Storage::State::failed) throw Failed{input->failure()};
  }
  for (const Result& result : results_) {
    if (result.takes >= 0) result.storage->takeFrom(*inputs_[result.takes]);
    else if (!result.storage->reserve()) throw Failed{machine_.outOfMemory(plan_.name + ": ", "a result", result.storage->bytes())};
  }
  if (plan_.arenaBytes > 0) {
    arena_ = machine_.allocator->allocate(plan_.arenaBytes);
    if (arena_ == nullptr) throw Failed{machine_.outOfMemory(plan_.name + ": ", "its temporaries", plan_.arenaBytes)};
  }
  // A run never nests in a run, so one table for each thread is enough.
  thread_local std::vector<void*> pointers;
  pointers.clear();
  for (const Plan::Buffer& buffer : plan_.buffers) {
    void* base = nullptr;
    size_t offset = 0;
    switch (buffer.kind) {
      case BufferKind::parameter: base = inputs_[buffer.position]->data(); break;
      case BufferKind::result: base = results_[buffer.position].storage->data(); break;
      case BufferKind::temporary: base = arena_; offset = buffer.position; break;
      case BufferKind::constant: base = plan_.constants->data(); offset = buffer.position; break;
    }
    pointers.push_back(static_cast<char*>(base) + offset);
  }
  walk(pointers.data());
}

void Run::finish(const FailureReference& failure) {
  for (const Result& result : results_) {
    if (failure != nullptr) result.storage->setFailed(failure);
    else result.storage->setReady();
  }
}

void PreparedPlan::walkHere(void* const*) const { throw Failed{failed(plan.name + " cannot run outside of its queue")}; }

void requireOpen(const Plan& plan, const std::atomic<bool>& closing) {
  if (closing.load(std::memory_order_relaxed)) throw Failed{failed(plan.name + " was stopped: its device was closed")};
}

}  // namespace tsdlc
