#include "plan.h"

#include <stdexcept>

namespace tsdlc {

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
  const auto isStack = [this](int32_t index) { return index >= 0 && static_cast<size_t>(index) < stackBytes.size(); };
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
      case pushStack:
      case popStack:
        require(left >= 3 && isStack(code[at + 1]) && isBuffer(code[at + 2]) && buffers[code[at + 2]].bytes == stackBytes[code[at + 1]],
                "a push or pop");
        at += 3;
        break;
      case clearStack:
        require(left >= 2 && isStack(code[at + 1]), "a stack");
        at += 2;
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

}  // namespace tsdlc
