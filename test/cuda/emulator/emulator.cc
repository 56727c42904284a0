#include "emulator.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "block.h"

namespace tsdlc::emulator {

namespace {

/// Blocks one by one in the order asked for. A shuffled order of a long grid steps by a number without common factors.
class BlockOrder {
 public:
  BlockOrder(uint64_t blocks, const Knobs& knobs) : blocks_(blocks), order_(knobs.blocks), start_(knobs.seed % blocks), step_(blocks / 2 + 1) {
    step_ += knobs.seed % 7;
    while (std::gcd(step_, blocks_) != 1) step_++;
  }

  uint64_t at(uint64_t i) const {
    switch (order_) {
      case Order::forward: return i;
      case Order::reverse: return blocks_ - 1 - i;
      case Order::shuffled: break;
    }
    return uint64_t((static_cast<unsigned __int128>(i) * step_ + start_) % blocks_);
  }

 private:
  uint64_t blocks_;
  Order order_;
  uint64_t start_;
  uint64_t step_;
};

}  // namespace

std::string run(const Launch& launch, const Knobs& knobs) {
  const Index3 grid = launch.grid;
  const uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
  Block block(launch, knobs);
  const BlockOrder order(blocks, knobs);
  for (uint64_t i = 0; i < blocks; i++) {
    const uint64_t at = order.at(i);
    const Index3 index{unsigned(at % grid.x), unsigned(at / grid.x % grid.y), unsigned(at / (uint64_t(grid.x) * grid.y))};
    const std::string& fault = block.run(index, knobs.seed + at);
    if (!fault.empty()) return std::string("kernel \"") + launch.kernel.name + "\": " + fault;
  }
  return "";
}

}  // namespace tsdlc::emulator
