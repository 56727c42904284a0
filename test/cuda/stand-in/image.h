// Modules and libraries: images of kernels, which the emulator's compiler made.
//
// A cubin is here a shared object of the host. PTX is here its text form: the lines that the driver looks at (version
// and target), and the shared object in comments. Both say for which architecture they were made, and are refused as the
// real driver refuses them: machine code runs on its own generation, PTX on its own and later ones.

#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "driver.h"

namespace tsdlc::standin {

class Image;

}  // namespace tsdlc::standin

/// A kernel; CUkernel and CUfunction are two handles of one.
struct CUfunc_st {
  tsdlc::standin::Image* image;
  const tsdlc::emulator::KernelDescription* description;
  size_t staticSharedBytes;
  std::vector<tsdlc::emulator::SharedVariable> shared;
  size_t maxDynamicSharedBytes;
};

namespace tsdlc::standin {

class Image {
 public:
  /// Null where it cannot be loaded, with the reason.
  static std::shared_ptr<Image> load(const void* code, CUresult& result, std::string& reason);
  ~Image();
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  CUfunc_st* find(const char* name);
  const emulator::ImageDescription& description() const { return *description_; }
  std::vector<CUfunc_st>& functions() { return functions_; }
  /// Launches of one image take turns: its shared memory is that of one block.
  std::mutex& turn() { return turn_; }

 private:
  Image(void* library, int file, const emulator::ImageDescription* description) : library_(library), file_(file), description_(description) {}

  void* library_;
  int file_;
  const emulator::ImageDescription* description_;
  std::vector<CUfunc_st> functions_;
  std::mutex turn_;
};

/// Shared memory that a block may have when it asks for more than 48 KiB, by compute capability.
size_t sharedBytesOf(const Settings& settings);

}  // namespace tsdlc::standin
