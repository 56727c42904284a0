#include "graph-cache.h"

#include <algorithm>
#include <utility>

namespace tsdlc::cuda {

namespace {

constexpr size_t graphsKept = 4;
constexpr size_t runsRemembered = 8;
/// So often must an address stay the same before a copy of it is given up.
constexpr uint32_t settled = 32;

}  // namespace

Graph::Graph(StreamOrder& order, Allocator& allocator, Addresses addresses)
    : bound(std::move(addresses)), own(bound.size(), nullptr), ownBytes(bound.size(), 0),
      order_(order), allocator_(allocator) {}

Graph::~Graph() {
  order_.context().enter();
  // A graph that is still running is freed when it has ended.
  if (executable != nullptr && !order_.context().isLost()) order_.context().driver().cuGraphExecDestroy(executable);
  for (size_t i = 0; i < own.size(); i++) allocator_.release(own[i], ownBytes[i]);
}

GraphCache::GraphCache(StreamOrder& order, Allocator& allocator, std::vector<Place> places)
    : order_(order), allocator_(allocator), places_(std::move(places)), changes_(places_.size(), false),
      unchanged_(places_.size(), 0), hasSettled_(places_.size(), false) {}

Graph* GraphCache::find(const Addresses& addresses) {
  for (auto at = graphs_.begin(); at != graphs_.end(); ++at) {
    Graph& graph = **at;
    bool matches = true;
    for (size_t i = 0; matches && i < addresses.size(); i++) matches = graph.own[i] != nullptr || graph.bound[i] == addresses[i];
    if (!matches) continue;
    graphs_.splice(graphs_.begin(), graphs_, at);
    return &graph;
  }
  return nullptr;
}

std::unique_ptr<Graph> GraphCache::missed(const Addresses& addresses) {
  for (size_t i = 0; i < last_.size(); i++) {
    if (last_[i] != addresses[i]) changes_[i] = true;
  }
  last_ = addresses;
  const bool before = std::any_of(seen_.begin(), seen_.end(), [&](const Addresses& earlier) {
    for (size_t i = 0; i < addresses.size(); i++) {
      if (!isOwn(i) && earlier[i] != addresses[i]) return false;
    }
    return true;
  });
  seen_.push_front(addresses);
  if (seen_.size() > runsRemembered) seen_.pop_back();
  if (!before) return nullptr;
  auto graph = std::make_unique<Graph>(order_, allocator_, addresses);
  for (size_t i = 0; i < addresses.size(); i++) {
    if (!isOwn(i)) continue;
    graph->own[i] = allocator_.allocate(places_[i].bytes);
    // Without memory for it there is no graph.
    if (graph->own[i] == nullptr) return nullptr;
    graph->ownBytes[i] = places_[i].bytes;
    graph->bound[i] = nullptr;
  }
  return graph;
}

Graph& GraphCache::keep(std::unique_ptr<Graph> graph) {
  graphs_.push_front(std::move(graph));
  if (graphs_.size() > graphsKept) graphs_.pop_back();
  return *graphs_.front();
}

void GraphCache::replayed(const Addresses& addresses) {
  const Graph& graph = *graphs_.front();
  bool settles = false;
  for (size_t i = 0; i < addresses.size(); i++) {
    unchanged_[i] = last_[i] == addresses[i] ? unchanged_[i] + 1 : 0;
    // Only once: what moves again after that will always do so now and then, and capturing is dear.
    if (graph.own[i] == nullptr || unchanged_[i] < settled || hasSettled_[i]) continue;
    hasSettled_[i] = true;
    changes_[i] = false;
    settles = true;
  }
  last_ = addresses;
  if (!settles) return;
  graphs_.pop_front();
  seen_.clear();
  seen_.push_front(addresses);
}

}  // namespace tsdlc::cuda
