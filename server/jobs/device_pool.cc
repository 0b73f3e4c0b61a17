#include "server/jobs/device_pool.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/scheduling/usage_ledger.h"

namespace skytrain {
namespace {

DeviceKind KindOf(absl::string_view device) {
  return absl::StartsWith(device, "gpu:") ? kGpu : kCpu;
}

}  // namespace

DevicePool::DevicePool(const std::vector<std::string>& gpus, int cpu_slots, GpuGuard* guard)
    : guard_(guard) {
  const auto add = [this](std::string name) {
    index_[name] = static_cast<int>(devices_.size());
    NodeDevice& device = devices_.emplace_back();
    device.kind = KindOf(name);
    device.name = std::move(name);
  };
  for (const std::string& gpu : gpus) add(gpu);
  for (int slot = 0; slot < cpu_slots; ++slot) add(absl::StrCat("cpu:", slot));
}

void DevicePool::Start(std::function<void()> on_change) const {
  if (guard_ != nullptr) guard_->Start(std::move(on_change));
}

void DevicePool::Stop() const {
  if (guard_ != nullptr) guard_->Stop();
}

std::vector<NodeDevice> DevicePool::List() const {
  std::vector<NodeDevice> devices = devices_;
  if (guard_ == nullptr) return devices;
  for (NodeDevice& device : devices) {
    if (device.kind != kGpu) continue;
    GpuGuard::Trouble trouble = guard_->TroubleOf(device.name);
    device.unavailable = std::move(trouble.text);
    device.settling = trouble.settling;
  }
  return devices;
}

int DevicePool::IndexOf(absl::string_view device) const {
  const auto found = index_.find(device);
  return found == index_.end() ? -1 : found->second;
}

void DevicePool::Release(absl::Span<const std::string> devices) const {
  if (guard_ == nullptr) return;
  for (const std::string& device : devices) guard_->Released(device);
}

void DevicePool::Reserve(absl::Span<const std::string> devices, const std::string& uid) {
  for (const std::string& device : devices) reserved_[device] = uid;
}

void DevicePool::DropReservations(absl::FunctionRef<bool(const std::string& uid)> over) {
  absl::erase_if(reserved_, [&](const auto& reservation) { return over(reservation.second); });
}

void DevicePool::MarkReserved(std::vector<NodeDevice>& devices) const {
  for (const auto& [device, uid] : reserved_) {
    if (const int index = IndexOf(device); index >= 0) devices[index].reserved_for = uid;
  }
}

double WeightOf(absl::Span<const std::string> devices) {
  double weight = 0;
  for (const std::string& device : devices) weight += DeviceWeight(KindOf(device));
  return weight;
}

}  // namespace skytrain
