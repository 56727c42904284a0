#include "cuda-plan.h"

#include <algorithm>
#include <string>
#include <utility>

#include "device-memory.h"

namespace tsdlc::cuda {

namespace {

/// A copy inside of the GPU's memory of this many bytes takes about as long as a launch.
constexpr size_t movableBytes = size_t{1} << 20;

}  // namespace

CudaPlan::CudaPlan(std::shared_ptr<CudaMachine> machine, Plan planned, std::shared_ptr<Module> module, std::vector<CUfunction> functions)
    : PreparedPlan(std::move(planned)),
      machine_(std::move(machine)),
      module_(std::move(module)),
      functions_(std::move(functions)),
      dims_(plan.dims.begin(), plan.dims.end()),
      written_(parametersWritten()),
      graphs_(*machine_->order, machine_->graphMemory, places()),
      usesGraphs_(machine_->graphs && isWorthAGraph()) {}

std::vector<bool> CudaPlan::parametersWritten() const {
  std::vector<bool> written(plan.parameterBytes.size(), false);
  const auto write = [&](int32_t buffer) {
    if (plan.buffers[buffer].kind == BufferKind::parameter) written[plan.buffers[buffer].position] = true;
  };
  const std::vector<int32_t>& code = plan.code;
  for (size_t at = 0; at < code.size();) {
    switch (code[at]) {
      case launchKernel: {
        const int32_t count = code[at + 2];
        for (int32_t i = static_cast<int32_t>(plan.kernels[code[at + 1]].inputs); i < count; i++) write(code[at + 3 + i]);
        at += 3 + static_cast<size_t>(count);
        break;
      }
      case copyBuffer: write(code[at + 2]); at += 3; break;
      case popStack: write(code[at + 2]); at += 3; break;
      case pushStack:
      case branchIfFalse: at += 3; break;
      case clearStack:
      case jump: at += 2; break;
    }
  }
  return written;
}

std::vector<Place> CudaPlan::places() const {
  std::vector<Place> places;
  for (size_t leaf = 0; leaf < plan.parameterBytes.size(); leaf++) {
    const size_t bytes = plan.parameterBytes[leaf];
    places.push_back({bytes, bytes <= movableBytes && !written_[leaf]});
  }
  for (const Plan::Result& result : plan.results) places.push_back({result.bytes, result.bytes <= movableBytes});
  // Another plan's buffer of its size may take the arena's block between two runs. A graph may have one of its own, but not
  // a large one: that would be memory that nobody else can use.
  places.push_back({plan.arenaBytes, plan.arenaBytes > 0 && plan.arenaBytes <= movableBytes});
  return places;
}

/// No conditions, which are read on the host, and more than one launch to save.
bool CudaPlan::isWorthAGraph() const {
  const std::vector<int32_t>& code = plan.code;
  int operations = 0;
  for (size_t at = 0; at < code.size();) {
    switch (code[at]) {
      case launchKernel:
        if (plan.kernels[code[at + 1]].grid > 0) operations++;
        at += 3 + static_cast<size_t>(code[at + 2]);
        break;
      case copyBuffer: operations++; at += 3; break;
      default: return false;
    }
  }
  return operations > 1;
}

/// Puts a plan's launches and copies into a stream.
class CudaPlan::Issue {
 public:
  Issue(CudaPlan& prepared, CUstream stream, void* const* pointers)
      : prepared_(prepared), context_(prepared.machine_->order->context()), stream_(stream), pointers_(pointers) {}

  void launch(int32_t index, const int32_t* buffers, int32_t count) {
    const Plan::Kernel& kernel = prepared_.plan.kernels[index];
    if (kernel.grid == 0) return;
    addresses_.clear();
    for (int32_t i = 0; i < count; i++) addresses_.push_back(addressOf(pointers_[buffers[i]]));
    arguments_.clear();
    for (CUdeviceptr& address : addresses_) arguments_.push_back(&address);
    for (const uint32_t& size : prepared_.dims_) arguments_.push_back(const_cast<uint32_t*>(&size));
    const CUresult result = context_.driver().cuLaunchKernel(prepared_.functions_[index], static_cast<unsigned>(kernel.grid), 1, 1,
                                                             kernel.threads, 1, 1, 0, stream_, arguments_.data(), nullptr);
    context_.check(result, [&] {
      return prepared_.plan.name + ": launching the kernel " + kernel.label + " in " + std::to_string(kernel.grid) + " blocks of " +
             std::to_string(kernel.threads) + " threads";
    });
    if (stream_ != prepared_.machine_->order->captureStream()) prepared_.machine_->statistics.launches++;
  }

  void copy(int32_t from, int32_t to) { copy(pointers_[from], pointers_[to], prepared_.plan.buffers[to].bytes); }

  void copy(const void* from, void* to, size_t bytes) {
    if (from == to || bytes == 0) return;
    context_.check(context_.driver().cuMemcpyDtoDAsync_v2(addressOf(to), addressOf(from), bytes, stream_),
                   [&] { return prepared_.plan.name + ": copying a buffer"; });
  }

  void save(int32_t buffer, void* to) { copy(pointers_[buffer], to, prepared_.plan.buffers[buffer].bytes); }
  void restore(const void* from, int32_t buffer) { copy(from, pointers_[buffer], prepared_.plan.buffers[buffer].bytes); }
  void obtained(void* memory) { prepared_.machine_->order->begin(compute, {{memory, true}}); }

  bool holds(int32_t buffer) { return prepared_.machine_->readByte(pointers_[buffer]) != 0; }

  void walk(RunStacks& stacks) { walkPlan(prepared_.plan, *prepared_.machine_, stacks, *this); }

 private:
  CudaPlan& prepared_;
  Context& context_;
  const CUstream stream_;
  void* const* const pointers_;
  std::vector<CUdeviceptr> addresses_;
  std::vector<void*> arguments_;
};

class CudaPlan::Walk : public Run {
 public:
  Walk(std::shared_ptr<CudaPlan> prepared, Inputs inputs, Results results)
      : Run(*prepared->machine_, prepared->plan, std::move(inputs), std::move(results)),
        prepared_(std::move(prepared)),
        plan_(prepared_->plan),
        order_(*prepared_->machine_->order),
        context_(order_.context()) {}

 private:
  void walk(void* const* pointers) override {
    context_.enter();
    context_.requireUsable();
    for (size_t leaf = 0; leaf < inputs().size(); leaf++) accesses_.push_back({inputs()[leaf]->block(), prepared_->written_[leaf]});
    for (const Result& result : results()) accesses_.push_back({result.storage->block(), true});
    if (arena() != nullptr) accesses_.push_back({arena(), true});
    if (plan_.constants != nullptr) accesses_.push_back({plan_.constants->block(), false});
    order_.begin(compute, accesses_);
    RunStacks stacks(*prepared_->machine_->allocator, plan_.stackBytes);
    try {
      if (!prepared_->usesGraphs_ || !replay(pointers)) Issue(*prepared_, order_.stream(compute), pointers).walk(stacks);
      for (void* chunk : stacks.chunks()) accesses_.push_back({chunk, true});
    } catch (const Failed&) {
      for (void* chunk : stacks.chunks()) accesses_.push_back({chunk, true});
      // What was launched before the failure may still run.
      if (!context_.isLost()) order_.end(compute, accesses_);
      throw;
    }
    order_.end(compute, accesses_, plan_.name);
    // May release memory of a graph, so only now that the order knows of the work on it.
    if (isReplay_) prepared_->graphs_.replayed(addresses_);
  }

  /// Whether a graph did the run.
  bool replay(void* const* pointers) {
    for (const auto& input : inputs()) addresses_.push_back(input->data());
    for (const Result& result : results()) addresses_.push_back(result.storage->data());
    addresses_.push_back(arena());

    GraphCache& graphs = prepared_->graphs_;
    Statistics& statistics = prepared_->machine_->statistics;
    Graph* graph = graphs.find(addresses_);
    if (graph == nullptr) {
      statistics.graphMisses++;
      std::unique_ptr<Graph> fresh = graphs.missed(addresses_);
      if (fresh == nullptr || !capture(*fresh, pointers)) return false;
      statistics.graphCaptures++;
      launch(graphs.keep(std::move(fresh)));
    } else {
      statistics.graphHits++;
      isReplay_ = true;
      launch(*graph);
    }
    return true;
  }

  /// False when the driver makes no graph of it; then no run of this plan tries again.
  bool capture(Graph& graph, void* const* pointers) {
    std::vector<void*> moved(pointers, pointers + plan_.buffers.size());
    for (size_t i = 0; i < moved.size(); i++) {
      const Plan::Buffer& buffer = plan_.buffers[i];
      void* own = nullptr;
      size_t offset = 0;
      switch (buffer.kind) {
        case BufferKind::parameter: own = graph.own[buffer.position]; break;
        case BufferKind::result: own = graph.own[inputs().size() + buffer.position]; break;
        case BufferKind::temporary: own = graph.own.back(); offset = buffer.position; break;
        case BufferKind::constant: break;
      }
      if (own != nullptr) moved[i] = static_cast<char*>(own) + offset;
    }
    const Driver& driver = context_.driver();
    // Local to the thread: others may go on allocating, which a capture otherwise forbids.
    context_.check(driver.cuStreamBeginCapture_v2(order_.captureStream(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "capturing a graph");
    CUgraph captured = nullptr;
    try {
      // Plans that branch are not captured, and others have no stacks.
      RunStacks none(*prepared_->machine_->allocator, {});
      Issue(*prepared_, order_.captureStream(), moved.data()).walk(none);
    } catch (const Failed&) {
      driver.cuStreamEndCapture(order_.captureStream(), &captured);
      if (captured != nullptr) driver.cuGraphDestroy(captured);
      throw;
    }
    context_.check(driver.cuStreamEndCapture(order_.captureStream(), &captured), "capturing a graph");
    const CUresult result = driver.cuGraphInstantiateWithFlags(&graph.executable, captured, 0);
    driver.cuGraphDestroy(captured);
    if (result == CUDA_SUCCESS) return true;
    graph.executable = nullptr;
    context_.failureOf(result, "making a graph");
    context_.requireUsable();
    prepared_->usesGraphs_ = false;
    return false;
  }

  void launch(Graph& graph) {
    Issue issue(*prepared_, order_.stream(compute), nullptr);
    Statistics& statistics = prepared_->machine_->statistics;
    std::vector<Access> own;
    for (size_t i = 0; i < addresses_.size(); i++) {
      if (graph.own[i] != nullptr) own.push_back({graph.own[i], true});
    }
    order_.begin(compute, own);
    accesses_.insert(accesses_.end(), own.begin(), own.end());
    const size_t firstResult = inputs().size();
    for (size_t i = 0; i < firstResult; i++) {
      if (graph.own[i] == nullptr) continue;
      issue.copy(addresses_[i], graph.own[i], graph.ownBytes[i]);
      statistics.graphCopies++;
    }
    context_.check(context_.driver().cuGraphLaunch(graph.executable, order_.stream(compute)),
                   [this] { return plan_.name + ": launching its graph"; });
    const size_t arenaPlace = addresses_.size() - 1;
    for (size_t i = firstResult; i < arenaPlace; i++) {
      if (graph.own[i] == nullptr) continue;
      issue.copy(graph.own[i], addresses_[i], graph.ownBytes[i]);
      statistics.graphCopies++;
    }
  }

  const std::shared_ptr<CudaPlan> prepared_;
  const Plan& plan_;
  StreamOrder& order_;
  Context& context_;
  std::vector<Access> accesses_;
  Addresses addresses_;
  bool isReplay_ = false;
};

std::unique_ptr<Run> CudaPlan::newRun(Run::Inputs inputs, Run::Results results) {
  return std::make_unique<Walk>(std::static_pointer_cast<CudaPlan>(shared_from_this()), std::move(inputs), std::move(results));
}

}  // namespace tsdlc::cuda
