#include "plan.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <stdexcept>
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

std::string readable(size_t bytes) {
  static const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double amount = static_cast<double>(bytes);
  size_t unit = 0;
  while (amount >= 1024 && unit < 5) {
    amount /= 1024;
    unit++;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
  return text;
}

}  // namespace

void Plan::check() const {
  const auto require = [this](bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(name + ": the plan is broken: " + what);
  };
  for (const Buffer& buffer : buffers) {
    switch (buffer.kind) {
      case BufferKind::parameter:
        require(buffer.position < parameterBytes.size() && buffer.bytes <= parameterBytes[buffer.position], "a parameter");
        break;
      case BufferKind::result:
        require(buffer.position < results.size() && buffer.bytes <= results[buffer.position].bytes, "a result");
        break;
      case BufferKind::temporary:
        require(buffer.position <= arenaBytes && buffer.bytes <= arenaBytes - buffer.position, "a temporary");
        break;
      case BufferKind::constant:
        require(constants != nullptr && buffer.position <= constants->bytes() &&
                    buffer.bytes <= constants->bytes() - buffer.position, "a constant");
        break;
      default:
        require(false, "a buffer's kind");
    }
  }
  for (const Result& result : results) {
    require(result.reuses < 0 || (static_cast<size_t>(result.reuses) < donated.size() && donated[result.reuses] &&
                                  parameterBytes[result.reuses] == result.bytes), "a reused parameter");
  }
  const auto isBuffer = [this](int32_t index) { return index >= 0 && static_cast<size_t>(index) < buffers.size(); };
  for (int32_t output : outputs) {
    require(isBuffer(output) && buffers[output].kind != BufferKind::temporary, "an output");
  }
  std::vector<bool> starts(code.size() + 1, false);
  std::vector<int32_t> targets;
  for (size_t at = 0; at < code.size();) {
    starts[at] = true;
    const size_t left = code.size() - at;
    switch (code[at]) {
      case launchKernel: {
        require(left >= 3 && code[at + 1] >= 0 && static_cast<size_t>(code[at + 1]) < kernels.size(), "a launch");
        require(code[at + 2] >= 0 && left - 3 >= static_cast<size_t>(code[at + 2]), "a launch");
        for (int32_t i = 0; i < code[at + 2]; i++) require(isBuffer(code[at + 3 + i]), "a launched buffer");
        at += 3 + static_cast<size_t>(code[at + 2]);
        break;
      }
      case copyBuffer:
        require(left >= 3 && isBuffer(code[at + 1]) && isBuffer(code[at + 2]) &&
                    buffers[code[at + 1]].bytes == buffers[code[at + 2]].bytes, "a copy");
        at += 3;
        break;
      case branchIfFalse:
        require(left >= 3 && isBuffer(code[at + 1]) && buffers[code[at + 1]].bytes >= 1, "a branch");
        targets.push_back(code[at + 2]);
        at += 3;
        break;
      case jump:
        require(left >= 2, "a jump");
        targets.push_back(code[at + 1]);
        at += 2;
        break;
      default:
        require(false, "an instruction");
    }
  }
  starts[code.size()] = true;
  for (int32_t target : targets) {
    require(target >= 0 && static_cast<size_t>(target) <= code.size() && starts[target], "a jump's target");
  }
}

Run::Run(Machine& machine, std::shared_ptr<const Plan> plan, std::vector<std::shared_ptr<Storage>> inputs,
         std::vector<Result> results)
    : machine_(machine), plan_(std::move(plan)), inputs_(std::move(inputs)), results_(std::move(results)) {}

void Run::execute() { finish(perform()); }

void Run::abandon() {
  finish(std::make_shared<Failure>(Failure{plan_->name + " did not run: its device was closed", false}));
}

std::shared_ptr<const Failure> Run::perform() {
  for (const std::shared_ptr<Storage>& input : inputs_) {
    if (input->state() == Storage::State::failed) return input->failure();
  }
  for (const Result& result : results_) {
    if (result.takes >= 0) result.storage->takeFrom(*inputs_[result.takes]);
    else if (!result.storage->reserve()) return outOfMemory("a result", result.storage->bytes());
  }
  void* arena = nullptr;
  if (plan_->arenaBytes > 0) {
    arena = machine_.allocator->allocate(plan_->arenaBytes);
    if (arena == nullptr) return outOfMemory("its temporaries", plan_->arenaBytes);
  }
  // A run never nests in a run, so one table for each thread is enough.
  thread_local std::vector<void*> pointers;
  pointers.clear();
  for (const Plan::Buffer& buffer : plan_->buffers) {
    void* base = nullptr;
    size_t offset = 0;
    switch (buffer.kind) {
      case BufferKind::parameter: base = inputs_[buffer.position]->data(); break;
      case BufferKind::result: base = results_[buffer.position].storage->data(); break;
      case BufferKind::temporary: base = arena; offset = buffer.position; break;
      case BufferKind::constant: base = plan_->constants->data(); offset = buffer.position; break;
    }
    pointers.push_back(static_cast<char*>(base) + offset);
  }
  std::shared_ptr<const Failure> failure = walk(pointers.data());
  if (arena != nullptr) machine_.allocator->release(arena, plan_->arenaBytes);
  return failure;
}

std::shared_ptr<const Failure> Run::walk(void* const* pointers) {
  const std::vector<int32_t>& code = plan_->code;
  const std::atomic<bool>& closing = machine_.queue.closing();
  std::vector<void*> arguments;
  for (size_t at = 0; at < code.size();) {
    switch (code[at]) {
      case launchKernel: {
        const Plan::Kernel& kernel = plan_->kernels[code[at + 1]];
        const int32_t count = code[at + 2];
        arguments.clear();
        for (int32_t i = 0; i < count; i++) arguments.push_back(pointers[code[at + 3 + i]]);
        machine_.pool.launch(kernel.entry, arguments.data(), plan_->dims.data(), kernel.grid, kernel.work);
        at += 3 + static_cast<size_t>(count);
        break;
      }
      case copyBuffer: {
        void* const ends[2] = {pointers[code[at + 1]], pointers[code[at + 2]]};
        const int64_t bytes = static_cast<int64_t>(plan_->buffers[code[at + 2]].bytes);
        if (ends[0] != ends[1]) {
          machine_.pool.launch(copyKernel, ends, &bytes, (bytes + copyPiece - 1) / copyPiece, copyWork);
        }
        at += 3;
        break;
      }
      case branchIfFalse: {
        const bool holds = *static_cast<const uint8_t*>(pointers[code[at + 1]]) != 0;
        at = holds ? at + 3 : static_cast<size_t>(code[at + 2]);
        break;
      }
      case jump:
        // Every loop passes here: one that would never end must not keep the process from ending.
        if (closing.load(std::memory_order_relaxed)) {
          return std::make_shared<Failure>(Failure{plan_->name + " was stopped: its device was closed", false});
        }
        at = static_cast<size_t>(code[at + 1]);
        break;
    }
  }
  return nullptr;
}

std::shared_ptr<const Failure> Run::outOfMemory(const char* what, size_t bytes) const {
  const Allocator::Use use = machine_.allocator->use();
  return std::make_shared<Failure>(
      Failure{plan_->name + ": out of memory: " + what + " needs " + readable(bytes) + "; " + readable(use.live) +
                  " of " + readable(machine_.allocator->limit()) + " are in use", true});
}

void Run::finish(const std::shared_ptr<const Failure>& failure) {
  for (const Result& result : results_) {
    if (failure != nullptr) result.storage->setFailed(failure);
    else result.storage->setReady();
  }
}

}  // namespace tsdlc
