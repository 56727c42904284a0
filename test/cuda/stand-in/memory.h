// Memory of the device: host memory, filled with NaN bytes when it is allocated and again when it is freed.
//
// An allocation lies between two guards that kernels must leave as they are; a freed one stays in quarantine for a
// while, so that a late store hits no one else. Under AddressSanitizer its red zones and its quarantine do both, and
// find reads too.

#pragma once

#include <string>

#include "driver.h"

namespace tsdlc::standin {

struct Allocation {
  explicit Allocation(size_t bytes);
  ~Allocation();
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;
  /// What a kernel did to the guards, or nothing.
  std::string damage() const;
  void poison();

  char* begin;
  size_t bytes;
  /// Whether it came from cuMemAllocAsync: freeing it waits for nothing.
  bool ordered = false;

 private:
  char* block_;
};

/// The allocation that holds this address; null if none does.
Allocation* allocationAt(CUdeviceptr address);

/// All of the range lies in one allocation.
bool isDeviceRange(CUdeviceptr address, size_t bytes);

/// The first damage among all allocations, or nothing.
std::string damageAnywhere();

void freeAll();

}  // namespace tsdlc::standin
