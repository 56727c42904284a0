// The CPU as a machine: a run does its work itself, kernel after kernel, each on all threads.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernel-library.h"
#include "machine.h"
#include "run.h"
#include "thread-pool.h"

namespace tsdlc {

class CpuMachine : public Machine {
 public:
  CpuMachine(std::shared_ptr<Allocator> memory, int threads) : Machine(std::move(memory)), pool(threads) {}
  ~CpuMachine() override { queue.close(); }

  std::shared_ptr<Storage> write(const void* bytes, size_t count) override;
  void read(std::shared_ptr<Storage> storage, void* into, std::unique_ptr<Completion> completion) override;
  FailureReference readNow(const std::shared_ptr<Storage>& storage, void* into) override;
  FailureReference outOfMemory(const std::string& whose, const char* what, size_t bytes) const override;

  ThreadPool pool;
};

class CpuPlan : public PreparedPlan {
 public:
  /// `entries` has the kernel of each of the plan's.
  CpuPlan(std::shared_ptr<CpuMachine> machine, Plan plan, std::shared_ptr<KernelLibrary> library, std::vector<KernelEntry> entries);

  std::unique_ptr<Run> newRun(Run::Inputs inputs, Run::Results results) override;
  bool runsAtOnce() const override { return plan.work < ThreadPool::smallLaunch; }
  void walkHere(void* const* pointers) const override;

 private:
  struct Walker;
  class Walk;
  const std::shared_ptr<CpuMachine> machine_;
  const std::shared_ptr<KernelLibrary> library_;
  const std::vector<KernelEntry> entries_;
};

}  // namespace tsdlc
