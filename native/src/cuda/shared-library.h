// A shared library that is opened at run time, by the first of its names that is there.

#pragma once

#include <string>
#include <vector>

namespace tsdlc::cuda {

class SharedLibrary {
 public:
  /// `path` if it is not empty, else the first of `names` that can be opened. Throws Failed with the loader's words;
  /// `what` is the library's name in the message, `help` what to do about it.
  SharedLibrary(const std::string& path, const std::vector<std::string>& names, const std::string& what, const std::string& help);
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;

  /// Null when there is no such symbol.
  void* find(const char* name) const;
  /// The name it was opened by.
  const std::string& name() const { return name_; }

 private:
  /// Never closed: drivers leave threads and handlers behind.
  void* library_ = nullptr;
  std::string name_;
};

}  // namespace tsdlc::cuda
