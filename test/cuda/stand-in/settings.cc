#include "settings.h"

#include <stdio.h>
#include <stdlib.h>

#include <algorithm>

namespace tsdlc::standin {

namespace {

constexpr const char* names[] = {"threads", "blocks", "graphs", "seed", "copies", "lag", "memory", "driver-version", "devices", "capability", "ptx", "fail-launch"};

bool readOrder(const std::string& text, emulator::Order& order) {
  if (text == "forward") order = emulator::Order::forward;
  else if (text == "reverse") order = emulator::Order::reverse;
  else if (text == "shuffled") order = emulator::Order::shuffled;
  else return false;
  return true;
}

/// Reads as many numbers as the text must have, with this character between them.
bool readNumbers(const std::string& text, const char* format, unsigned long long* first, unsigned long long* second = nullptr) {
  int end = 0;
  const int found = second == nullptr ? sscanf(text.c_str(), format, first, &end) : sscanf(text.c_str(), format, first, second, &end);
  return found == (second == nullptr ? 1 : 2) && size_t(end) == text.size();
}

}  // namespace

bool Settings::set(const std::string& name, const std::string& value) {
  unsigned long long first = 0, second = 0;
  if (name == "threads") return readOrder(value, kernels.threads);
  if (name == "blocks") return readOrder(value, kernels.blocks);
  if (name == "graphs" || name == "copies") {
    const bool graphs = name == "graphs";
    if (value != (graphs ? "forward" : "early") && value != (graphs ? "reverse" : "late")) return false;
    (graphs ? graphsInReverse : kernels.lateCopies) = value == "reverse" || value == "late";
    return true;
  }
  if (name == "capability" || (name == "ptx" && value != "none")) {
    if (!readNumbers(value, "%llu.%llu%n", &first, &second)) return false;
    if (name == "ptx") ptxVersion = int(10 * first + second);
    else major = int(first), minor = int(second);
    return true;
  }
  if (name == "ptx") {
    ptxVersion = 0;
    return true;
  }
  if (name == "fail-launch") {
    if (!readNumbers(value, "%llu:%llu%n", &first, &second)) return false;
    failingLaunch = first, failure = int(second);
    return true;
  }
  if (!readNumbers(value, "%llu%n", &first)) return false;
  if (name == "seed") kernels.seed = first;
  else if (name == "lag") lagMicroseconds = first;
  else if (name == "memory") memoryBytes = first;
  else if (name == "driver-version") driverVersion = int(first);
  else if (name == "devices") devices = int(first);
  else return false;
  return true;
}

void Settings::readEnvironment() {
  for (const char* name : names) {
    std::string variable = std::string("TSDLC_STANDIN_") + name;
    std::transform(variable.begin(), variable.end(), variable.begin(), [](char c) { return c == '-' ? '_' : char(toupper(c)); });
    const char* value = getenv(variable.c_str());
    if (value == nullptr || set(name, value)) continue;
    fprintf(stderr, "stand-in for libcuda: %s is \"%s\", which is no value of \"%s\" (test/cuda/stand-in/settings.h)\n", variable.c_str(), value, name);
    abort();
  }
}

}  // namespace tsdlc::standin
