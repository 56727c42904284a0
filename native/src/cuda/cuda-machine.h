// A GPU as a machine: jobs put work into its streams and are done; a second thread waits for what somebody waits for.
//
// The one idea: runs are launched by the queue's thread, not by JavaScript's. A launch blocks when the driver has a
// thousand of them waiting, a condition must be read back in the middle of a run, and both must not stop the event loop.
// The queue's thread in turn never waits for a read: it puts the copy into a stream and hands the rest to Completions.

#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "../machine.h"
#include "completions.h"
#include "staging.h"
#include "stream-order.h"

namespace tsdlc::cuda {

/// What has happened since the device was opened.
struct Statistics {
  std::atomic<uint64_t> launches{0};
  std::atomic<uint64_t> graphHits{0};
  std::atomic<uint64_t> graphMisses{0};
  std::atomic<uint64_t> graphCaptures{0};
  /// Copies of arguments and results into and out of the fixed places that a graph has for them.
  std::atomic<uint64_t> graphCopies{0};
};

class CudaMachine : public Machine {
 public:
  struct Options {
    /// Bytes of buffers beyond which an allocation fails.
    size_t limitBytes;
    bool graphs;
  };

  CudaMachine(std::shared_ptr<StreamOrder> order, const Options& options);
  ~CudaMachine() override;

  std::shared_ptr<Storage> write(const void* bytes, size_t count) override;
  void read(std::shared_ptr<Storage> storage, void* into, std::unique_ptr<Completion> completion) override;
  FailureReference readNow(const std::shared_ptr<Storage>& storage, void* into) override;
  Allocator::Use use() const override;
  void trim() override;
  void close() override;
  FailureReference outOfMemory(const std::string& whose, const char* what, size_t bytes) const override;

  /// One byte of device memory, read by the queue's thread, which waits for it.
  uint8_t readByte(const void* data);

  const std::shared_ptr<StreamOrder> order;
  const bool graphs;
  /// For the places that graphs have of their own. Blocks of an allocator that serves others too would take turns with
  /// theirs, and so make addresses change that would have stayed.
  Allocator graphMemory;
  Statistics statistics;

 private:
  class Upload;
  class Download;

  /// What the caller of `write` may change afterwards is copied here first.
  Allocator copies_;
  Staging staging_;
  Completions completions_;
};

}  // namespace tsdlc::cuda
