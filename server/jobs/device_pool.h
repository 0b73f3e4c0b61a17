#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/devices/gpu_guard.h"
#include "server/scheduling/snapshot.h"

namespace skytrain {

// The devices that the node hands out to jobs, what the guard says of its GPUs, and for whom a
// preempted job gave one up. The members that are const may be called from any thread.
class DevicePool {
 public:
  // `guard` may be null: nothing is known of the GPUs then.
  DevicePool(const std::vector<std::string>& gpus, int cpu_slots, GpuGuard* guard);

  // Calls `on_change`, on a thread of the guard, when a GPU becomes available or stops being so.
  void Start(std::function<void()> on_change) const;
  void Stop() const;

  // All of them, in the order of the indices of a snapshot, as if no job held any.
  std::vector<NodeDevice> List() const;
  // -1: there is none, or no more.
  int IndexOf(absl::string_view device) const;
  // The job that held them has ended.
  void Release(absl::Span<const std::string> devices) const;

  // A job that makes way gives `devices` up for the waiting job `uid`.
  void Reserve(absl::Span<const std::string> devices, const std::string& uid);
  // Forgets what was given up for the jobs for which `over` is true.
  void DropReservations(absl::FunctionRef<bool(const std::string& uid)> over);
  // Sets reserved_for of `devices`, which List returned.
  void MarkReserved(std::vector<NodeDevice>& devices) const;

 private:
  GpuGuard* const guard_;
  std::vector<NodeDevice> devices_;
  absl::flat_hash_map<std::string, int> index_;
  absl::flat_hash_map<std::string, std::string> reserved_;  // Device → uid.
};

// What holding `devices` weighs; see DeviceWeight of server/scheduling.
double WeightOf(absl::Span<const std::string> devices);

}  // namespace skytrain
