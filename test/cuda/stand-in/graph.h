// Captures and graphs: work that is not queued but written down, with what must come before what.
//
// A captured stream remembers the nodes after which its next one comes; an event carries them to another stream, which
// so joins the capture. A graph may run its nodes in any order that these edges allow, and a setting picks one that is
// unlike the order of the calls: a missing edge is then a wrong result.

#pragma once

#include "stream.h"

namespace tsdlc::standin {

struct Node {
  Work work;
  std::vector<size_t> after;
};

struct Capture {
  CUstream origin;
  bool spoilt = false;
  bool strict = true;
  std::vector<Node> nodes;
};

CUresult addNode(CUstream stream, Work work);
CUresult joinCapture(CUstream stream, const CUevent_st& event);

}  // namespace tsdlc::standin
