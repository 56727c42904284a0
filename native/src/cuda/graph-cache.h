// The CUDA graphs of one plan: its launches, captured once and replayed with one call.
//
// The one idea: a captured launch has its addresses in it, so a graph serves only runs with the same ones. In a training
// loop nearly all repeat: donated parameters stay where they are, and the arena is the block of the run before. What does
// not repeat is what the caller makes anew and drops some time later: a batch, a loss. Addresses that were seen to change,
// if their buffers are small, are replaced by fixed places that belong to the graph, into which arguments are copied
// before a replay and out of which results are copied after it; a small arena just is the graph's. Large ones must
// repeat: the allocator hands out the newest block of a size first, so alternating buffers soon do, and a few graphs are
// kept.

#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "../allocator.h"
#include "stream-order.h"

namespace tsdlc::cuda {

/// Where a run's parameters, results and arena lie, in this order; null for an arena that is not there.
using Addresses = std::vector<void*>;

/// What the cache must know of each of these addresses.
struct Place {
  size_t bytes;
  /// It may be replaced: small, and not an argument that the run writes.
  bool movable;
};

/// One captured plan. Destroyed on any thread.
class Graph {
 public:
  Graph(StreamOrder& order, Allocator& allocator, Addresses bound);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// Addresses for which it was captured; null where it has a place of its own.
  Addresses bound;
  /// Its own places, null where it is bound.
  Addresses own;
  std::vector<size_t> ownBytes;
  CUgraphExec executable = nullptr;

 private:
  StreamOrder& order_;
  Allocator& allocator_;
};

class GraphCache {
 public:
  GraphCache(StreamOrder& order, Allocator& allocator, std::vector<Place> places);

  /// The graph for a run at these addresses, or null.
  Graph* find(const Addresses& addresses);
  /// After a miss: a graph to capture, with places of its own, if a run like this one came before; else null.
  std::unique_ptr<Graph> missed(const Addresses& addresses);
  Graph& keep(std::unique_ptr<Graph> graph);
  /// After a hit: gives up a graph that copies what has long stayed in one place.
  void replayed(const Addresses& addresses);

 private:
  bool isOwn(size_t i) const { return places_[i].movable && changes_[i]; }

  StreamOrder& order_;
  Allocator& allocator_;
  const std::vector<Place> places_;
  /// Addresses that were seen to change from one run to the next.
  std::vector<bool> changes_;
  /// For how many replays in a row they were the same, and whether that was once taken for lasting.
  std::vector<uint32_t> unchanged_;
  std::vector<bool> hasSettled_;
  Addresses last_;
  /// The latest runs without a graph, newest first.
  std::list<Addresses> seen_;
  /// Newest first.
  std::list<std::unique_ptr<Graph>> graphs_;
};

}  // namespace tsdlc::cuda
