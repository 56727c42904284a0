#include "graph.h"

#include <algorithm>
#include <numeric>

struct CUgraph_st {
  std::vector<tsdlc::standin::Node> nodes;
};

struct CUgraphExec_st {
  std::vector<tsdlc::standin::Node> nodes;
};

namespace tsdlc::standin {

namespace {

/// Every node comes after those that it names; of those that may be next, the first or the last captured is taken.
std::vector<size_t> order(const std::vector<Node>& nodes, bool lastFirst) {
  std::vector<size_t> result;
  std::vector<bool> done(nodes.size());
  const auto ready = [&](size_t i) { return !done[i] && std::all_of(nodes[i].after.begin(), nodes[i].after.end(), [&](size_t j) { return done[j]; }); };
  while (result.size() < nodes.size()) {
    for (size_t step = 0; step < nodes.size(); step++) {
      const size_t i = lastFirst ? nodes.size() - 1 - step : step;
      if (!ready(i)) continue;
      done[i] = true;
      result.push_back(i);
      break;
    }
  }
  return result;
}

/// Whether each node lies on a path to what the stream would come after.
bool allJoined(const Capture& capture) {
  std::vector<bool> reached(capture.nodes.size());
  std::vector<size_t> open = capture.origin->frontier;
  while (!open.empty()) {
    const size_t node = open.back();
    open.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    open.insert(open.end(), capture.nodes[node].after.begin(), capture.nodes[node].after.end());
  }
  return std::all_of(reached.begin(), reached.end(), [](bool one) { return one; });
}

}  // namespace

CUresult addNode(CUstream stream, Work work) {
  Capture& capture = *stream->capture;
  if (capture.spoilt) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  capture.nodes.push_back({std::move(work), stream->frontier});
  stream->frontier = {capture.nodes.size() - 1};
  return CUDA_SUCCESS;
}

CUresult joinCapture(CUstream stream, const CUevent_st& event) {
  if (stream->capture != nullptr && stream->capture != event.capture) {
    stream->capture->spoilt = event.capture->spoilt = true;
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  stream->capture = event.capture;
  for (const size_t node : event.frontier) {
    if (std::find(stream->frontier.begin(), stream->frontier.end(), node) == stream->frontier.end()) stream->frontier.push_back(node);
  }
  return CUDA_SUCCESS;
}

CUresult refuseWhileCapturing() {
  if (driver().strictCaptures == 0) return CUDA_SUCCESS;
  for (CUstream stream : driver().streams) {
    if (stream->capture != nullptr && stream->capture->strict) stream->capture->spoilt = true;
  }
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

}  // namespace tsdlc::standin

using namespace tsdlc::standin;

EXPORTED CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  CUstream stream = streamOf(handle);
  if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->queue == driver().defaultQueue) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream->capture != nullptr) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  stream->capture = std::make_shared<Capture>();
  stream->capture->origin = stream;
  stream->capture->strict = mode != CU_STREAM_CAPTURE_MODE_RELAXED;
  stream->frontier.clear();
  driver().strictCaptures += stream->capture->strict;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  CUstream stream = streamOf(handle);
  if (stream == nullptr || graph == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *graph = nullptr;
  const std::shared_ptr<Capture> capture = stream->capture;
  if (capture == nullptr || capture->origin != stream) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  const bool joined = allJoined(*capture);
  for (CUstream other : driver().streams) {
    if (other->capture != capture) continue;
    other->capture = nullptr;
    other->frontier.clear();
  }
  driver().strictCaptures -= capture->strict;
  if (capture->spoilt) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!joined) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  *graph = new CUgraph_st{capture->nodes};
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  CUstream stream = streamOf(handle);
  if (stream == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture == nullptr) *status = CU_STREAM_CAPTURE_STATUS_NONE;
  else *status = stream->capture->spoilt ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph, unsigned long long) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (executable == nullptr || graph == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *executable = new CUgraphExec_st{graph->nodes};
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuGraphUpload(CUgraphExec executable, CUstream handle) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  return executable == nullptr || streamOf(handle) == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

EXPORTED CUresult cuGraphLaunch(CUgraphExec executable, CUstream handle) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  CUstream stream = streamOf(handle);
  if (executable == nullptr || stream == nullptr) return CUDA_ERROR_INVALID_VALUE;
  // The executable may be destroyed while the launch waits in the stream.
  return submit(stream, [nodes = executable->nodes, sequence = order(executable->nodes, driver().settings.graphsInReverse)]() -> CUresult {
    for (const size_t node : sequence) {
      if (const CUresult result = nodes[node].work(); result != CUDA_SUCCESS) return result;
    }
    return CUDA_SUCCESS;
  });
}

EXPORTED CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, size_t* count) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (graph == nullptr || count == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (nodes != nullptr) {
    driver().say("cuGraphGetNodes is asked for the nodes: the stand-in only counts them");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  *count = graph->nodes.size();
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuGraphExecDestroy(CUgraphExec executable) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (executable == nullptr) return CUDA_ERROR_INVALID_VALUE;
  delete executable;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuGraphDestroy(CUgraph graph) {
  const Call call = needsContext();
  if (call.refused()) return call.result;
  if (graph == nullptr) return CUDA_ERROR_INVALID_VALUE;
  delete graph;
  return CUDA_SUCCESS;
}
