#include "cuda-machine.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>

#include "device-memory.h"

namespace tsdlc::cuda {

namespace {

/// Host memory kept for the copies that `write` makes.
constexpr size_t copiesKept = size_t{256} << 20;

/// Memory of graphs that were given up, kept for the next ones.
constexpr size_t graphMemoryKept = size_t{16} << 20;

/// The end of a read for a thread that stands and waits for it.
struct Rendezvous {
  std::mutex mutex;
  std::condition_variable over;
  bool isOver = false;
  FailureReference failure = failed("a read was abandoned: its device was closed");
};

class Arrival : public Completion {
 public:
  explicit Arrival(std::shared_ptr<Rendezvous> meeting) : meeting_(std::move(meeting)) {}
  ~Arrival() override {
    {
      std::lock_guard<std::mutex> lock(meeting_->mutex);
      meeting_->isOver = true;
    }
    meeting_->over.notify_one();
  }
  void finish(FailureReference failure) override { meeting_->failure = std::move(failure); }

 private:
  const std::shared_ptr<Rendezvous> meeting_;
};

}  // namespace

class CudaMachine::Upload : public Job {
 public:
  Upload(CudaMachine& machine, void* copy, std::shared_ptr<Storage> storage)
      : machine_(machine), copy_(copy), storage_(std::move(storage)) {}
  ~Upload() override { machine_.copies_.release(copy_, storage_->bytes()); }

  void execute() override {
    try {
      send();
      storage_->setReady();
    } catch (const Failed& stopped) {
      storage_->setFailed(stopped.failure);
    }
  }

  void abandon() override { storage_->setFailed(failed("a copy was abandoned: its device was closed")); }

 private:
  void send() {
    Context& context = machine_.order->context();
    context.enter();
    context.requireUsable();
    const std::vector<Access> accesses{{storage_->block(), true}};
    machine_.order->begin(upload, accesses);
    for (size_t at = 0; at < storage_->bytes(); at += Staging::pieceBytes) {
      const size_t bytes = std::min(Staging::pieceBytes, storage_->bytes() - at);
      std::shared_ptr<Staging::Piece> piece = machine_.staging_.take(bytes, machine_.queue.closing());
      std::memcpy(piece->data, static_cast<const char*>(copy_) + at, bytes);
      context.check(context.driver().cuMemcpyHtoDAsync_v2(addressOf(storage_->data()) + at, piece->data, bytes, machine_.order->stream(upload)),
                    "copying to the GPU");
      machine_.completions_.add(machine_.order->end(upload, accesses), [piece](const FailureReference&) {});
    }
  }

  CudaMachine& machine_;
  void* const copy_;
  const std::shared_ptr<Storage> storage_;
};

class CudaMachine::Download : public Job {
 public:
  Download(CudaMachine& machine, std::shared_ptr<Storage> storage, void* into, std::unique_ptr<Completion> completion)
      : machine_(machine), storage_(std::move(storage)), into_(into), completion_(std::move(completion)) {}

  void execute() override {
    try {
      machine_.order->context().enter();
      machine_.order->context().requireUsable();
      if (storage_ == nullptr || storage_->bytes() == 0) await();
      else fetch();
    } catch (const Failed& stopped) {
      storage_.reset();
      completion_->finish(stopped.failure);
    }
  }

  void abandon() override { completion_.reset(); }

 private:
  void fetch() {
    Context& context = machine_.order->context();
    if (storage_->state() == Storage::State::failed) throw Failed{storage_->failure()};
    const std::vector<Access> accesses{{storage_->block(), false}};
    machine_.order->begin(download, accesses);
    for (size_t at = 0; at < storage_->bytes(); at += Staging::pieceBytes) {
      const size_t bytes = std::min(Staging::pieceBytes, storage_->bytes() - at);
      std::shared_ptr<Staging::Piece> piece = machine_.staging_.take(bytes, machine_.queue.closing());
      context.check(context.driver().cuMemcpyDtoHAsync_v2(piece->data, addressOf(storage_->data()) + at, bytes, machine_.order->stream(download)),
                    "copying from the GPU");
      char* const to = static_cast<char*>(into_) + at;
      machine_.completions_.add(machine_.order->end(download, accesses), [piece, to](const FailureReference& failure) {
        if (failure == nullptr) std::memcpy(to, piece->data, piece->bytes);
      });
    }
    finishAfter(machine_.order->end(download, {}));
  }

  /// Until everything queued before has ended, on every lane; also for a buffer without bytes, whose run may fail.
  void await() {
    if (storage_ != nullptr && storage_->state() == Storage::State::failed) throw Failed{storage_->failure()};
    for (const Lane lane : {upload, compute}) {
      machine_.completions_.add(machine_.order->end(lane, {}), [](const FailureReference&) {});
    }
    finishAfter(machine_.order->end(download, {}));
  }

  void finishAfter(Mark mark) {
    // Who waits for it may count memory: the notes keep it from being overwritten too early.
    storage_.reset();
    machine_.completions_.add(std::move(mark), [completion = std::shared_ptr<Completion>(std::move(completion_))](const FailureReference& failure) {
      completion->finish(failure);
    });
  }

  CudaMachine& machine_;
  std::shared_ptr<Storage> storage_;
  void* const into_;
  std::unique_ptr<Completion> completion_;
};

CudaMachine::CudaMachine(std::shared_ptr<StreamOrder> streams, const Options& options)
    : Machine(std::make_shared<Allocator>(std::make_unique<DeviceMemory>(streams), SIZE_MAX, options.limitBytes)),
      order(std::move(streams)),
      graphs(options.graphs),
      graphMemory(std::make_unique<DeviceMemory>(order), graphMemoryKept, options.limitBytes),
      copies_(std::make_unique<SystemMemory>(), copiesKept, SIZE_MAX),
      staging_(std::make_unique<PinnedMemory>(std::shared_ptr<Context>(order, &order->context()))),
      completions_(*order) {}

CudaMachine::~CudaMachine() {
  close();
  // Copies may still be under way, into memory that goes with the members.
  order->context().enter();
  for (const Lane lane : {upload, download}) order->context().driver().cuStreamSynchronize(order->stream(lane));
}

std::shared_ptr<Storage> CudaMachine::write(const void* bytes, size_t count) {
  order->context().requireUsable();
  auto storage = std::make_shared<Storage>(allocator, count);
  if (!storage->reserve()) throw Failed{outOfMemory("", "a buffer", count)};
  void* copy = copies_.allocate(count);
  if (copy == nullptr) {
    throw Failed{failed("out of memory: the host's copy of a buffer needs " + readable(count), Failure::Kind::outOfMemory)};
  }
  if (count > 0) std::memcpy(copy, bytes, count);
  queue.push(std::make_unique<Upload>(*this, copy, storage));
  return storage;
}

void CudaMachine::read(std::shared_ptr<Storage> storage, void* into, std::unique_ptr<Completion> completion) {
  queue.push(std::make_unique<Download>(*this, std::move(storage), into, std::move(completion)));
}

FailureReference CudaMachine::readNow(const std::shared_ptr<Storage>& storage, void* into) {
  const auto meeting = std::make_shared<Rendezvous>();
  read(storage, into, std::make_unique<Arrival>(meeting));
  std::unique_lock<std::mutex> lock(meeting->mutex);
  meeting->over.wait(lock, [&meeting] { return meeting->isOver; });
  return meeting->failure;
}

Allocator::Use CudaMachine::use() const {
  Allocator::Use use = allocator->use();
  const Allocator::Use ofGraphs = graphMemory.use();
  // Nobody refers to it: it is kept so that the next run is faster.
  use.cached += ofGraphs.live + ofGraphs.cached;
  return use;
}

void CudaMachine::trim() {
  allocator->trim(0);
  graphMemory.trim(0);
  copies_.trim(0);
}

void CudaMachine::close() {
  queue.close();
  completions_.close();
}

FailureReference CudaMachine::outOfMemory(const std::string& whose, const char* what, size_t bytes) const {
  Context& context = order->context();
  if (context.isLost()) return context.lost();
  context.enter();
  size_t free = 0;
  size_t total = 0;
  context.driver().cuMemGetInfo_v2(&free, &total);
  const Allocator::Use use = allocator->use();
  return failed(whose + "out of memory on " + context.name() + ": " + what + " needs " + readable(bytes) + "; " + readable(use.live) +
                    " of " + readable(allocator->limit()) + " are in use, and of the GPU's " + readable(total) + " " + readable(free) + " are free",
                Failure::Kind::outOfMemory);
}

uint8_t CudaMachine::readByte(const void* data) {
  Context& context = order->context();
  const std::shared_ptr<Staging::Piece> piece = staging_.take(1, queue.closing());
  context.check(context.driver().cuMemcpyDtoHAsync_v2(piece->data, addressOf(data), 1, order->stream(compute)), "reading a condition");
  if (!order->wait(order->end(compute, {}), queue.closing())) {
    // The copy may still be under way: the piece must outlive it.
    completions_.add(order->end(compute, {}), [piece](const FailureReference&) {});
    throw Failed{failed("a run was stopped: its device was closed")};
  }
  return *static_cast<const uint8_t*>(piece->data);
}

}  // namespace tsdlc::cuda
