#include "server/rpc/executor.h"

#include <utility>

namespace skytrain {

Executor::Executor(int threads, size_t max_waiting) : max_waiting_(max_waiting) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Loop(); });
}

Executor::~Executor() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  work_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

bool Executor::TrySubmit(std::function<void()> task) {
  {
    MutexLock lock(mu_);
    if (waiting_.size() >= max_waiting_) return false;
    waiting_.push_back(std::move(task));
  }
  work_.NotifyOne();
  return true;
}

void Executor::Submit(std::function<void()> task) {
  {
    MutexLock lock(mu_);
    waiting_.push_back(std::move(task));
  }
  work_.NotifyOne();
}

void Executor::Loop() {
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(mu_);
      while (waiting_.empty() && !stop_) work_.Wait(mu_);
      if (waiting_.empty()) return;
      task = std::move(waiting_.front());
      waiting_.pop_front();
    }
    task();
  }
}

}  // namespace skytrain
