// What a test may set: in the environment before cuInit (TSDLC_STANDIN_FAIL_LAUNCH=3:700), or later by
// standin_configure("fail-launch", "3:700").
//
//   threads, blocks    forward | reverse | shuffled       order of a kernel's threads and blocks
//   graphs             forward | reverse                  which of the orders that its edges allow a graph runs in
//   seed               number                             of what is shuffled
//   copies             late | early                       when cp.async happens
//   lag                microseconds                       how long work lies in a stream before it starts, unless someone waits
//   memory             bytes                              of the device
//   driver-version     13000                              what cuDriverGetVersion says
//   devices            number                             0: there is none
//   capability         9.0                                compute capability
//   ptx                none | 9.0                         highest PTX version that is accepted
//   fail-launch        n:result                           the n-th kernel run from now on fails with this CUresult

#pragma once

#include <stdint.h>

#include <string>

#include "../emulator/emulator.h"

namespace tsdlc::standin {

struct Settings {
  emulator::Knobs kernels;
  bool graphsInReverse = false;
  uint64_t lagMicroseconds = 1000;
  uint64_t memoryBytes = uint64_t{4} << 30;
  int driverVersion = 13000;
  int devices = 1;
  int major = 9, minor = 0;
  /// As 10 * major + minor; 0 where PTX is refused.
  int ptxVersion = 0;
  /// Counts down; 0 where no launch is to fail.
  uint64_t failingLaunch = 0;
  int failure = 0;

  /// False where there is no such setting or value.
  bool set(const std::string& name, const std::string& value);
  /// Ends the process on a value in the environment that is not one: a test that believes in it would be wrong.
  void readEnvironment();
};

}  // namespace tsdlc::standin
