#include "server/events/stream_lags.h"

#include <algorithm>

namespace skytrain {

StreamLags::Stream::~Stream() {
  MutexLock lock(lags_.mu_);
  lags_.streams_.erase(this);
}

void StreamLags::Stream::Committed(int64_t seq) {
  int64_t before = committed_.load(std::memory_order_relaxed);
  while (before < seq &&
         !committed_.compare_exchange_weak(before, seq, std::memory_order_relaxed)) {
  }
}

std::unique_ptr<StreamLags::Stream> StreamLags::Add() {
  std::unique_ptr<Stream> stream(new Stream(*this));
  MutexLock lock(mu_);
  streams_.insert(stream.get());
  return stream;
}

std::vector<int64_t> StreamLags::Events() {
  std::vector<int64_t> lags;
  {
    MutexLock lock(mu_);
    lags.reserve(streams_.size());
    for (const Stream* stream : streams_) {
      lags.push_back(std::max<int64_t>(stream->committed_.load(std::memory_order_relaxed) -
                                           stream->sent_.load(std::memory_order_relaxed),
                                       0));
    }
  }
  std::sort(lags.begin(), lags.end());
  return lags;
}

}  // namespace skytrain
