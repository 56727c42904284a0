// Why a run, a copy or a read failed; the storages that it should have filled carry this on to what reads them.

#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace tsdlc {

struct Failure {
  enum class Kind { runFailed, outOfMemory, deviceLost };
  std::string message;
  Kind kind = Kind::runFailed;
};

using FailureReference = std::shared_ptr<const Failure>;

inline FailureReference failed(std::string message, Failure::Kind kind = Failure::Kind::runFailed) {
  return std::make_shared<Failure>(Failure{std::move(message), kind});
}

/// Thrown inside a job, which ends with this failure.
struct Failed {
  FailureReference failure;
};

/// "4.0 MiB"
std::string readable(size_t bytes);

}  // namespace tsdlc
