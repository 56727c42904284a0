#include "storage.h"

#include <utility>

namespace tsdlc {

Storage::Storage(std::shared_ptr<Allocator> allocator, size_t bytes)
    : allocator_(std::move(allocator)), bytes_(bytes) {}

Storage::Storage(std::shared_ptr<Storage> whole, size_t offset, size_t bytes)
    : whole_(std::move(whole)), data_(static_cast<char*>(whole_->data()) + offset), owned_(false), bytes_(bytes), state_(State::ready) {}

Storage::~Storage() {
  if (owned_ && allocator_ != nullptr) allocator_->release(data_, bytes_);
}

bool Storage::reserve() {
  if (data_ == nullptr) data_ = allocator_->allocate(bytes_);
  return data_ != nullptr;
}

void Storage::takeFrom(Storage& other) {
  data_ = other.data_;
  owned_ = true;
  other.owned_ = false;
}

void Storage::setFailed(FailureReference failure) {
  failure_ = std::move(failure);
  state_.store(State::failed, std::memory_order_release);
}

}  // namespace tsdlc
