#include "block.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <map>
#include <new>

#ifdef TSDLC_SANITIZE
#include <sanitizer/asan_interface.h>
#endif

namespace tsdlc::emulator {

namespace {

/// Bits that are a NaN as f32, f64, f16 and bf16, and -1 as an integer: an element read before it is written shows.
constexpr int poison = 0xff;
constexpr size_t sharedAlignment = 1024;

Stacks& stacksOfThisThread() {
  thread_local Stacks stacks;
  return stacks;
}

std::string name(Index3 index) {
  return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," + std::to_string(index.z) + ")";
}

}  // namespace

Stacks::Stacks() {
  const size_t bytes = (maxThreadsPerBlock + 1) * stackBytes;
  mapping_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) throw std::bad_alloc();
  first_ = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(mapping_) + stackBytes - 1) & ~(stackBytes - 1));
}

Stacks::~Stacks() { munmap(mapping_, (maxThreadsPerBlock + 1) * stackBytes); }

Block::Block(const Launch& launch, const Knobs& knobs)
    : launch_(launch),
      knobs_(knobs),
      stacks_(stacksOfThisThread()),
      threads_(launch.block.x * launch.block.y * launch.block.z),
      warps_((threads_ + warpSize - 1) / warpSize),
      progress_(threads_) {
  if (launch.dynamicSharedBytes > 0) {
    dynamic_ = std::make_unique<char[]>(launch.dynamicSharedBytes + sharedAlignment);
    const auto address = reinterpret_cast<uintptr_t>(dynamic_.get());
    dynamicBegin_ = reinterpret_cast<char*>((address + sharedAlignment - 1) & ~(sharedAlignment - 1));
  }
}

const std::string& Block::run(Index3 index, uint64_t seed) {
  random_.seed(static_cast<uint32_t>(seed));
  begin(index);
  Fiber::turn(scheduler_, progress_[next()].fiber);
  return fault_;
}

void Block::begin(Index3 index) {
  index_ = index;
  fault_.clear();
  atBarrier_ = 0;
  runnableWarps_ = 0;
  poisonShared();
  for (unsigned warp = 0; warp < warps_.size(); warp++) {
    const unsigned lanes = std::min(warpSize, threads_ - warp * warpSize);
    warps_[warp].present = lanes == warpSize ? ~0u : (1u << lanes) - 1;
    warps_[warp].runnable = 0;
    warps_[warp].meetings.clear();
    release(warp, warps_[warp].present);
  }
  const Index3 shape = launch_.block;
  for (unsigned number = 0; number < threads_; number++) {
    char* stack = stacks_.of(number);
#ifdef TSDLC_SANITIZE
    // A block that was stopped left its frames behind, and their red zones.
    __asan_unpoison_memory_region(stack, stackBytes);
#endif
    Thread& thread = *new (stack) Thread{};
    thread.machine = this;
    thread.number = number;
    thread.index = {number % shape.x, number / shape.x % shape.y, number / (shape.x * shape.y)};
    thread.block = index;
    thread.blockShape = shape;
    thread.gridShape = launch_.grid;
    Progress& progress = progress_[number];
    progress.waitsIn = nullptr;
    progress.returned = false;
    progress.groups = 0;
    progress.copies.clear();
    // Frames of equal depth would all be a multiple of 64 KiB apart, in the same few lines of the cache.
    const size_t shift = (number * 448) % 4096 / 64 * 64;
    progress.fiber.prepare(stack + sizeof(Thread), stackBytes - sizeof(Thread) - shift, &Block::enter);
  }
}

void Block::enter() {
  Fiber::arrived();
  Thread& thread = self();
  auto& block = *static_cast<Block*>(thread.machine);
  block.launch_.kernel.call(block.launch_.arguments);
  block.finish(thread.number);
}

void Block::finish(unsigned number) {
  progress_[number].returned = true;
  Warp& warp = warps_[number / warpSize];
  warp.runnable &= ~(1u << number % warpSize);
  if (warp.runnable == 0) runnableWarps_ &= ~(1u << number / warpSize);
  if (runnableWarps_ != 0) Fiber::lastTurn(progress_[number].fiber, progress_[next()].fiber);
  for (const Progress& one : progress_) {
    if (!one.returned) stuck(number);
  }
  Fiber::lastTurn(progress_[number].fiber, scheduler_);
}

unsigned Block::next() {
  const auto pick = [this](uint32_t set) -> unsigned {
    switch (knobs_.threads) {
      case Order::forward: return unsigned(__builtin_ctz(set));
      case Order::reverse: return 31 - unsigned(__builtin_clz(set));
      case Order::shuffled: break;
    }
    const unsigned start = random_() % 32;
    const uint32_t turned = start == 0 ? set : set >> start | set << (32 - start);
    return (unsigned(__builtin_ctz(turned)) + start) % 32;
  };
  const unsigned warp = pick(runnableWarps_);
  return warp * warpSize + pick(warps_[warp].runnable);
}

void Block::wait(unsigned number, const char* place, int line) {
  Progress& own = progress_[number];
  own.waitsIn = place;
  own.line = line;
  Warp& warp = warps_[number / warpSize];
  warp.runnable &= ~(1u << number % warpSize);
  if (warp.runnable == 0) runnableWarps_ &= ~(1u << number / warpSize);
  if (runnableWarps_ == 0) stuck(number);
  Fiber::turn(own.fiber, progress_[next()].fiber);
  own.waitsIn = nullptr;
}

void Block::release(unsigned warp, uint32_t lanes) {
  warps_[warp].runnable |= lanes;
  if (warps_[warp].runnable != 0) runnableWarps_ |= 1u << warp;
}

void Block::barrier(int line) {
  const unsigned number = self().number;
  if (atBarrier_ > 0 && line != barrierLine_) stop(number, "thread " + std::to_string(number) + " comes to the barrier of line " + std::to_string(line) + " while " + whoWaits());
  barrierLine_ = line;
  if (++atBarrier_ < threads_) {
    wait(number, "the barrier", line);
    return;
  }
  atBarrier_ = 0;
  for (unsigned warp = 0; warp < warps_.size(); warp++) release(warp, warps_[warp].present);
}

void Block::meet(const Collective& collective) {
  const Thread& own = self();
  const unsigned number = own.number, lane = own.lane();
  Warp& warp = warps_[number / warpSize];
  const uint32_t mask = collective.mask & warp.present;
  if ((mask >> lane & 1) == 0) {
    stop(number, "thread " + std::to_string(number) + " comes to " + collective.name + " of line " + std::to_string(collective.line) + ", whose mask does not name it");
  }

  // Lanes may be ahead of others in a meeting that those will only reach after one of their own. So another meeting that
  // waits for this lane is no fault yet; if it never ends, the block is stuck.
  size_t at = 0;
  const auto isSame = [&](const Meeting& meeting) {
    const Collective& other = meeting.collective;
    return other.mask == mask && other.line == collective.line && other.act == collective.act && (meeting.arrived >> lane & 1) == 0;
  };
  while (at < warp.meetings.size() && !isSame(warp.meetings[at])) at++;
  if (at == warp.meetings.size()) {
    Meeting meeting{collective, 0, {}};
    meeting.collective.mask = mask;
    warp.meetings.push_back(meeting);
  }
  Meeting& meeting = warp.meetings[at];
  meeting.arrived |= 1u << lane;
  // Lanes without operands still take part: `act` is told by something that is not null.
  meeting.operands[lane] = collective.operands == nullptr ? &warp : collective.operands;
  if (meeting.arrived != mask) {
    wait(number, collective.name, collective.line);
    return;
  }
  if (collective.act != nullptr) collective.act(meeting.operands);
  warp.meetings.erase(warp.meetings.begin() + ptrdiff_t(at));
  release(number / warpSize, mask);
}

void Block::copyAsynchronously(void* shared, const void* global, size_t bytes, int line) {
  checkShared(shared, bytes, bytes, "an asynchronous copy", line);
  if (reinterpret_cast<uintptr_t>(global) % bytes != 0) fault("the source of an asynchronous copy is not aligned to its size", line);
  Progress& own = progress_[self().number];
  if (!knobs_.lateCopies) memcpy(shared, global, bytes);
  else own.copies.push_back({shared, global, bytes, own.groups});
}

void Block::commitCopies() { progress_[self().number].groups++; }

void Block::awaitCopies(unsigned pending) {
  Progress& own = progress_[self().number];
  size_t done = 0;
  while (done < own.copies.size() && own.copies[done].group + pending < own.groups) {
    const Copy& copy = own.copies[done++];
    memcpy(copy.shared, copy.global, copy.bytes);
  }
  own.copies.erase(own.copies.begin(), own.copies.begin() + ptrdiff_t(done));
}

void Block::checkShared(const void* address, size_t bytes, size_t alignment, const char* user, int line) {
  if (!isShared(address, bytes)) fault((std::string(user) + " is given an address outside of shared memory").c_str(), line);
  if (reinterpret_cast<uintptr_t>(address) % alignment != 0) {
    fault((std::string(user) + " is given an address that is not aligned to " + std::to_string(alignment) + " bytes").c_str(), line);
  }
}

void* Block::dynamicShared() { return dynamicBegin_; }

bool Block::isShared(const void* address, size_t bytes) const {
  const char* begin = static_cast<const char*>(address);
  const auto within = [=](const char* first, const char* last) { return first != nullptr && begin >= first && begin + bytes <= last; };
  return within(launch_.image.sharedBegin, launch_.image.sharedEnd) || within(dynamicBegin_, dynamicBegin_ + launch_.dynamicSharedBytes);
}

void Block::poisonShared() {
  for (const SharedVariable& variable : launch_.shared) memset(variable.begin, poison, variable.bytes);
  if (dynamicBegin_ != nullptr) memset(dynamicBegin_, poison, launch_.dynamicSharedBytes);
}

void Block::fault(const char* message, int line) {
  const unsigned number = self().number;
  stop(number, "thread " + std::to_string(number) + ", line " + std::to_string(line) + ": " + message);
}

void Block::stuck(unsigned number) { stop(number, "no thread can go on: " + whoWaits()); }

void Block::stop(unsigned number, std::string message) {
  fault_ = "block " + name(index_) + ": " + message;
  Fiber::lastTurn(progress_[number].fiber, scheduler_);
}

std::string Block::whoWaits() const {
  std::map<std::string, std::string> places;
  const auto placeOf = [this](unsigned number) -> std::string {
    const Progress& one = progress_[number];
    if (one.returned) return "have returned";
    if (one.waitsIn == nullptr || (warps_[number / warpSize].runnable >> number % warpSize & 1) != 0) return "can run";
    return std::string("wait at ") + one.waitsIn + " of line " + std::to_string(one.line);
  };
  for (unsigned number = 0; number < threads_;) {
    const std::string place = placeOf(number);
    unsigned last = number;
    while (last + 1 < threads_ && placeOf(last + 1) == place) last++;
    std::string& list = places[place];
    if (!list.empty()) list += ", ";
    list += number == last ? std::to_string(number) : std::to_string(number) + "-" + std::to_string(last);
    number = last + 1;
  }
  std::string text;
  for (const auto& [place, list] : places) {
    if (place == "can run") continue;
    if (!text.empty()) text += "; ";
    text += "threads " + list + " " + place;
  }
  return text;
}

}  // namespace tsdlc::emulator
