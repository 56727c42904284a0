#include "cpu-machine.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tsdlc {

namespace {

constexpr int64_t copyPiece = int64_t{1} << 18;
/// Copying 16 bytes counts as one scalar operation, like a vector load and store.
constexpr double copyWork = static_cast<double>(copyPiece) / 16;

/// A copy as a kernel: one iteration for each `copyPiece` bytes, dims[0] bytes in all.
void copyKernel(void* const* buffers, const int64_t* dims, int64_t begin, int64_t end) {
  const int64_t first = begin * copyPiece;
  const int64_t last = std::min(end * copyPiece, dims[0]);
  std::memcpy(static_cast<char*>(buffers[1]) + first, static_cast<const char*>(buffers[0]) + first,
              static_cast<size_t>(last - first));
}

class Read : public Job {
 public:
  Read(std::shared_ptr<Storage> storage, void* into, std::unique_ptr<Completion> completion)
      : storage_(std::move(storage)), into_(into), completion_(std::move(completion)) {}

  void execute() override {
    FailureReference failure;
    if (storage_ != nullptr) {
      if (storage_->state() == Storage::State::failed) failure = storage_->failure();
      else std::memcpy(into_, storage_->data(), storage_->bytes());
      // Before anybody is told: who has read everything expects the memory to be free.
      storage_.reset();
    }
    completion_->finish(std::move(failure));
  }

  void abandon() override { completion_.reset(); }

 private:
  std::shared_ptr<Storage> storage_;
  void* into_;
  std::unique_ptr<Completion> completion_;
};

}  // namespace

std::shared_ptr<Storage> CpuMachine::write(const void* bytes, size_t count) {
  auto storage = std::make_shared<Storage>(allocator, count);
  if (!storage->reserve()) throw Failed{outOfMemory("", "a buffer", count)};
  if (count > 0) std::memcpy(storage->data(), bytes, count);
  storage->setReady();
  return storage;
}

void CpuMachine::read(std::shared_ptr<Storage> storage, void* into, std::unique_ptr<Completion> completion) {
  queue.push(std::make_unique<Read>(std::move(storage), into, std::move(completion)));
}

FailureReference CpuMachine::readNow(const std::shared_ptr<Storage>& storage, void* into) {
  queue.wait([&storage] { return storage->state() != Storage::State::pending; });
  if (storage->state() == Storage::State::failed) return storage->failure();
  std::memcpy(into, storage->data(), storage->bytes());
  return nullptr;
}

FailureReference CpuMachine::outOfMemory(const std::string& whose, const char* what, size_t bytes) const {
  const Allocator::Use use = allocator->use();
  return failed(whose + "out of memory: " + what + " needs " + readable(bytes) + "; " + readable(use.live) + " of " +
                    readable(allocator->limit()) + " are in use", Failure::Kind::outOfMemory);
}

CpuPlan::CpuPlan(std::shared_ptr<CpuMachine> machine, Plan planned, std::shared_ptr<KernelLibrary> library,
                 std::vector<KernelEntry> entries)
    : PreparedPlan(std::move(planned)), machine_(std::move(machine)), library_(std::move(library)), entries_(std::move(entries)) {}

struct CpuPlan::Walker {
  const CpuPlan& prepared;
  void* const* pointers;

  void launch(int32_t kernel, const int32_t* buffers, int32_t count) {
    // Kernels launch nothing, so one list for each thread is enough.
    thread_local std::vector<void*> arguments;
    arguments.clear();
    for (int32_t i = 0; i < count; i++) arguments.push_back(pointers[buffers[i]]);
    const Plan& plan = prepared.plan;
    prepared.machine_->pool.launch(prepared.entries_[kernel], arguments.data(), plan.dims.data(), plan.kernels[kernel].grid,
                                   plan.kernels[kernel].work);
  }

  void copy(int32_t from, int32_t to) {
    void* const ends[2] = {pointers[from], pointers[to]};
    const int64_t bytes = static_cast<int64_t>(prepared.plan.buffers[to].bytes);
    if (ends[0] == ends[1]) return;
    prepared.machine_->pool.launch(copyKernel, ends, &bytes, (bytes + copyPiece - 1) / copyPiece, copyWork);
  }

  void save(int32_t buffer, void* to) { std::memcpy(to, pointers[buffer], prepared.plan.buffers[buffer].bytes); }
  void restore(const void* from, int32_t buffer) { std::memcpy(pointers[buffer], from, prepared.plan.buffers[buffer].bytes); }
  void obtained(void*) {}

  bool holds(int32_t buffer) const { return *static_cast<const uint8_t*>(pointers[buffer]) != 0; }
};

class CpuPlan::Walk : public Run {
 public:
  Walk(std::shared_ptr<const CpuPlan> prepared, Inputs inputs, Results results)
      : Run(*prepared->machine_, prepared->plan, std::move(inputs), std::move(results)), prepared_(std::move(prepared)) {}

 private:
  void walk(void* const* pointers) override { prepared_->walkHere(pointers); }

  const std::shared_ptr<const CpuPlan> prepared_;
};

void CpuPlan::walkHere(void* const* pointers) const {
  RunStacks stacks(*machine_->allocator, plan.stackBytes);
  walkPlan(plan, *machine_, stacks, Walker{*this, pointers});
}

std::unique_ptr<Run> CpuPlan::newRun(Run::Inputs inputs, Run::Results results) {
  return std::make_unique<Walk>(std::static_pointer_cast<const CpuPlan>(shared_from_this()), std::move(inputs), std::move(results));
}

}  // namespace tsdlc
