#include "server/events/event_hub.h"

#include <algorithm>
#include <utility>

namespace skytrain {

struct EventHub::Subscription::State {
  explicit State(Callback callback) : callback(std::move(callback)) {}

  void Call(int64_t last_seq, bool terminal) {
    MutexLock lock(mu);
    if (!active) return;
    // Two publishers of one job may overtake each other on the way here.
    newest = std::max(newest, last_seq);
    ended = ended || terminal;
    callback(newest, ended);
  }

  Mutex mu;  // Held while the callback runs: that is what the destructor waits for.
  bool active ABSL_GUARDED_BY(mu) = true;
  int64_t newest ABSL_GUARDED_BY(mu) = 0;
  bool ended ABSL_GUARDED_BY(mu) = false;
  const Callback callback;
};

EventHub::Subscription::Subscription(std::shared_ptr<State> state) : state_(std::move(state)) {}

EventHub::Subscription::~Subscription() {
  MutexLock lock(state_->mu);
  state_->active = false;
}

EventHub::EventHub() = default;
EventHub::~EventHub() = default;

std::unique_ptr<EventHub::Subscription> EventHub::Subscribe(absl::string_view job_uid,
                                                            Callback callback) {
  auto state = std::make_shared<Subscription::State>(std::move(callback));
  MutexLock lock(mu_);
  auto& subscribers = subscribers_[job_uid];
  subscribers.erase(std::remove_if(subscribers.begin(), subscribers.end(),
                                   [](const auto& subscriber) { return subscriber.expired(); }),
                    subscribers.end());
  subscribers.push_back(state);
  return std::unique_ptr<Subscription>(new Subscription(std::move(state)));
}

void EventHub::Publish(absl::string_view job_uid, int64_t last_seq, bool terminal) {
  std::vector<std::shared_ptr<Subscription::State>> called;
  {
    MutexLock lock(mu_);
    const auto found = subscribers_.find(job_uid);
    if (found == subscribers_.end()) return;
    auto& subscribers = found->second;
    for (auto it = subscribers.begin(); it != subscribers.end();) {
      if (auto state = it->lock()) {
        called.push_back(std::move(state));
        ++it;
      } else {
        it = subscribers.erase(it);
      }
    }
    if (subscribers.empty() || terminal) subscribers_.erase(found);
  }
  for (const auto& state : called) state->Call(last_seq, terminal);
}

}  // namespace skytrain
