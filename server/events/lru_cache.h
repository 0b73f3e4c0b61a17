#pragma once

#include <cstdint>
#include <iterator>
#include <list>
#include <map>
#include <utility>

namespace skytrain {

// Keeps what was used last, up to a number of bytes. Not thread-safe.
template <typename Key, typename Value>
class LruCache {
 public:
  explicit LruCache(int64_t max_bytes) : max_bytes_(max_bytes) {}

  // Replaces what is there. `bytes`: what the entry counts for.
  void Put(const Key& key, Value value, int64_t bytes) {
    if (const auto found = entries_.find(key); found != entries_.end()) Erase(found);
    order_.push_front(key);
    entries_.emplace(key, Entry{std::move(value), bytes, order_.begin()});
    bytes_ += bytes;
    // The newest entry stays, however large it is.
    while (bytes_ > max_bytes_ && entries_.size() > 1) Erase(entries_.find(order_.back()));
  }

  // Null when there is none. Valid until the next Put.
  const Value* Find(const Key& key) { return Use(entries_.find(key)); }

  // The value with the greatest key that is not above `key`.
  const Value* FindFloor(const Key& key) {
    const auto above = entries_.upper_bound(key);
    return above == entries_.begin() ? nullptr : Use(std::prev(above));
  }

  int64_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Value value;
    int64_t bytes;
    typename std::list<Key>::iterator place;
  };
  using Iterator = typename std::map<Key, Entry>::iterator;

  const Value* Use(Iterator entry) {
    if (entry == entries_.end()) return nullptr;
    order_.splice(order_.begin(), order_, entry->second.place);
    return &entry->second.value;
  }

  void Erase(Iterator entry) {
    bytes_ -= entry->second.bytes;
    order_.erase(entry->second.place);
    entries_.erase(entry);
  }

  const int64_t max_bytes_;
  int64_t bytes_ = 0;
  std::list<Key> order_;  // Last used first.
  std::map<Key, Entry> entries_;
};

}  // namespace skytrain
