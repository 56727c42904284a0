// A plan on a GPU: its kernels found, its sizes as the kernels take them, and its graphs.

#pragma once

#include <memory>
#include <vector>

#include "../run.h"
#include "cuda-machine.h"
#include "graph-cache.h"
#include "module.h"

namespace tsdlc::cuda {

class CudaPlan : public PreparedPlan {
 public:
  /// `functions` has the kernel of each of the plan's.
  CudaPlan(std::shared_ptr<CudaMachine> machine, Plan plan, std::shared_ptr<Module> module, std::vector<CUfunction> functions);

  std::unique_ptr<Run> newRun(Run::Inputs inputs, Run::Results results) override;

 private:
  class Walk;
  class Issue;

  std::vector<bool> parametersWritten() const;
  std::vector<Place> places() const;
  bool isWorthAGraph() const;

  const std::shared_ptr<CudaMachine> machine_;
  const std::shared_ptr<Module> module_;
  const std::vector<CUfunction> functions_;
  /// Kernels take sizes as 32-bit numbers.
  const std::vector<uint32_t> dims_;
  /// By leaf: the run writes into the memory of this argument.
  const std::vector<bool> written_;
  /// Touched by the queue's thread only.
  GraphCache graphs_;
  bool usesGraphs_;
};

}  // namespace tsdlc::cuda
