// Plain data from JavaScript: typed arrays as vectors, numbers that may be absent.

#pragma once

#include <napi.h>

#include <vector>

namespace tsdlc {

inline double numberOr(const Napi::Object& options, const char* name, double otherwise) {
  const Napi::Value value = options.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : otherwise;
}

inline std::string textOr(const Napi::Object& options, const char* name, const char* otherwise) {
  const Napi::Value value = options.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : otherwise;
}

template <typename Element, typename Array>
std::vector<Element> vectorOf(const Napi::Object& description, const char* name) {
  const Array array = description.Get(name).As<Array>();
  return std::vector<Element>(array.Data(), array.Data() + array.ElementLength());
}

inline std::vector<size_t> sizesOf(const Napi::Object& description, const char* name) {
  return vectorOf<size_t, Napi::Float64Array>(description, name);
}

inline std::vector<std::string> textsOf(const Napi::Object& description, const char* name) {
  const auto array = description.Get(name).As<Napi::Array>();
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < array.Length(); i++) texts.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  return texts;
}

}  // namespace tsdlc
