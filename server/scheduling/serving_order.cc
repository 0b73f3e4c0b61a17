#include "server/scheduling/serving_order.h"

#include <algorithm>
#include <queue>
#include <tuple>
#include <utility>

#include "absl/strings/string_view.h"
#include "server/scheduling/usage_ledger.h"

namespace skytrain {
namespace {

constexpr double kHeldAheadSeconds = 3600;

// An owner's turn: the least goes first.
struct Turn {
  double usage;
  absl::string_view uid;  // Of the owner's next job: age decides between equals.
  int owner;

  bool operator>(const Turn& other) const {
    return std::tie(usage, uid) > std::tie(other.usage, other.uid);
  }
};

// The waiting jobs of one owner and one priority, oldest first.
struct Line {
  std::vector<int> jobs;
  size_t next = 0;
};

class Ordering {
 public:
  explicit Ordering(const Snapshot& snapshot) : snapshot_(snapshot), node_(DevicesOf(snapshot)) {
    for (const RunningJob& job : snapshot.running) {
      double weight = 0;
      for (const int device : job.devices) weight += DeviceWeight(snapshot.devices[device].kind);
      usage_[OwnerIndex(job.owner)] += weight * kHeldAheadSeconds;
    }
  }

  // Appends the jobs of `sorted` (one priority, by age) to `order`.
  void Append(const std::vector<int>& sorted, std::vector<int>* order) {
    std::vector<Line> lines(owners_.size());
    for (const int index : sorted) {
      const size_t owner = OwnerIndex(snapshot_.waiting[index]->owner);
      if (owner >= lines.size()) lines.resize(owner + 1);
      lines[owner].jobs.push_back(index);
    }
    std::priority_queue<Turn, std::vector<Turn>, std::greater<Turn>> turns;
    const auto take_turn = [&](int owner) {
      const Line& line = lines[owner];
      if (line.next == line.jobs.size()) return;
      turns.push({usage_[owner], snapshot_.waiting[line.jobs[line.next]]->uid, owner});
    };
    for (size_t owner = 0; owner < lines.size(); ++owner) take_turn(static_cast<int>(owner));
    while (!turns.empty()) {
      const int owner = turns.top().owner;
      turns.pop();
      const int index = lines[owner].jobs[lines[owner].next++];
      const WaitingJob& job = *snapshot_.waiting[index];
      order->push_back(index);
      if (MayBeServed(job, node_, snapshot_.now)) {
        usage_[owner] += DeviceWeight(job.wanted) * kHeldAheadSeconds;
      }
      take_turn(owner);
    }
  }

 private:
  size_t OwnerIndex(const std::string& owner) {
    const auto [found, added] = owners_.try_emplace(owner, owners_.size());
    if (added) {
      const auto used = snapshot_.usage.find(owner);
      usage_.push_back(used == snapshot_.usage.end() ? 0 : used->second);
    }
    return found->second;
  }

  const Snapshot& snapshot_;
  const DeviceCounts node_;
  absl::flat_hash_map<absl::string_view, size_t> owners_;
  std::vector<double> usage_;  // By the index in owners_.
};

}  // namespace

DeviceCounts DevicesOf(const Snapshot& snapshot) {
  DeviceCounts counts = {};
  for (const NodeDevice& device : snapshot.devices) ++counts[device.kind];
  return counts;
}

bool MayBeServed(const WaitingJob& job, const DeviceCounts& node, absl::Time now) {
  return job.not_before <= now && job.wanted[kCpu] <= node[kCpu] && job.wanted[kGpu] <= node[kGpu];
}

std::vector<int> ServingOrder(const Snapshot& snapshot) {
  std::vector<int> sorted(snapshot.waiting.size());
  for (size_t i = 0; i < sorted.size(); ++i) sorted[i] = static_cast<int>(i);
  std::sort(sorted.begin(), sorted.end(), [&](int left, int right) {
    const WaitingJob& a = *snapshot.waiting[left];
    const WaitingJob& b = *snapshot.waiting[right];
    return a.priority != b.priority ? a.priority > b.priority : a.uid < b.uid;
  });
  std::vector<int> order;
  order.reserve(sorted.size());
  Ordering ordering(snapshot);
  for (auto begin = sorted.begin(); begin != sorted.end();) {
    const int priority = snapshot.waiting[*begin]->priority;
    const auto end = std::find_if(begin, sorted.end(), [&](int index) {
      return snapshot.waiting[index]->priority != priority;
    });
    ordering.Append({begin, end}, &order);
    begin = end;
  }
  return order;
}

}  // namespace skytrain
