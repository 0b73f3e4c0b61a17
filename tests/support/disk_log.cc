#include "tests/support/disk_log.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/file/file_system.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using Kind = DiskOperation::Kind;

std::string NameIn(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// "" for "a".
std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

}  // namespace

DiskLog::DiskLog(std::string root) : root_(std::move(root)) {}

bool DiskLog::MakeRelative(DiskOperation& operation) const {
  for (std::string* path : {&operation.path, &operation.target}) {
    if (*path == root_) path->clear();
    if (path->empty()) continue;
    if (!absl::StartsWith(*path, root_ + "/")) return false;
    path->erase(0, root_.size() + 1);
  }
  return true;
}

absl::Status DiskLog::Do(DiskOperation operation, absl::FunctionRef<absl::Status()> act) {
  const bool recorded = MakeRelative(operation);
  MutexLock lock(mu_);
  absl::Status done = act();
  if (done.ok() && recorded) operations_.push_back(std::move(operation));
  return done;
}

void DiskLog::Add(DiskOperation operation) {
  Do(std::move(operation), [] { return absl::OkStatus(); }).IgnoreError();
}

void DiskLog::Forget(std::string path) {
  MutexLock lock(mu_);
  forgotten_.insert(std::move(path));
}

uint64_t DiskLog::BeginSync(const std::string& path, bool folder) {
  DiskOperation begin{folder ? Kind::kBeginSyncDir : Kind::kBeginSync, path};
  if (!MakeRelative(begin)) return 0;
  MutexLock lock(mu_);
  if (forgotten_.count(begin.path) > 0) return 0;
  const uint64_t sync = begin.sync = operations_.size() + 1;
  operations_.push_back(std::move(begin));
  return sync;
}

void DiskLog::EndSync(uint64_t sync) {
  if (sync == 0) return;
  MutexLock lock(mu_);
  DiskOperation end = operations_[sync - 1];
  end.kind = end.kind == Kind::kBeginSync ? Kind::kEndSync : Kind::kEndSyncDir;
  operations_.push_back(std::move(end));
}

size_t DiskLog::size() const {
  MutexLock lock(mu_);
  return operations_.size();
}

std::vector<DiskOperation> DiskLog::operations() const {
  MutexLock lock(mu_);
  return operations_;
}

absl::string_view DiskImage::NameOf(Loss loss) {
  switch (loss) {
    case Loss::kEverything:
      return "everything unsynced lost";
    case Loss::kNames:
      return "unsynced names lost";
    case Loss::kBytes:
      return "unsynced bytes lost";
    case Loss::kTorn:
      return "unsynced bytes torn";
    case Loss::kNothing:
      return "nothing lost";
  }
  return "";
}

DiskImage::DiskImage() : root_(std::make_shared<Node>()) { root_->is_dir = true; }

std::shared_ptr<DiskImage::Node> DiskImage::Find(const std::string& path) const {
  if (path.empty()) return root_;
  const auto folder = Find(FolderOf(path));
  if (folder == nullptr) return nullptr;
  const auto found = folder->names.find(NameIn(path));
  return found == folder->names.end() ? nullptr : found->second;
}

void DiskImage::Put(const std::string& path, std::shared_ptr<Node> node) {
  if (const auto folder = Find(FolderOf(path))) folder->names[NameIn(path)] = std::move(node);
}

std::shared_ptr<DiskImage::Node> DiskImage::Take(const std::string& path) {
  auto node = Find(path);
  if (node != nullptr) Find(FolderOf(path))->names.erase(NameIn(path));
  return node;
}

void DiskImage::Apply(const DiskOperation& operation) {
  const auto node = Find(operation.path);
  switch (operation.kind) {
    case Kind::kCreate:
      if (node == nullptr) Put(operation.path, std::make_shared<Node>());
      break;
    case Kind::kWrite: {
      if (node == nullptr) break;
      const size_t end = static_cast<size_t>(operation.offset) + operation.bytes.size();
      if (node->bytes.size() < end) node->bytes.resize(end, '\0');
      std::copy(operation.bytes.begin(), operation.bytes.end(),
                node->bytes.begin() + operation.offset);
      break;
    }
    case Kind::kTruncate:
      if (node != nullptr) node->bytes.resize(static_cast<size_t>(operation.offset), '\0');
      break;
    case Kind::kLink:
      Put(operation.target, node);
      break;
    case Kind::kRename:
      Put(operation.target, Take(operation.path));
      break;
    case Kind::kRemove:
      Take(operation.path);
      break;
    case Kind::kCreateDir: {
      auto folder = std::make_shared<Node>();
      folder->is_dir = true;
      Put(operation.path, std::move(folder));
      break;
    }
    case Kind::kBeginSync:
    case Kind::kBeginSyncDir:
      if (node != nullptr) pending_[operation.sync] = {node, node->bytes, node->names};
      break;
    case Kind::kEndSync:
    case Kind::kEndSyncDir:
      EndSync(operation.sync);
      break;
  }
}

void DiskImage::EndSync(uint64_t sync) {
  auto pending = pending_.extract(sync);
  if (pending.empty()) return;
  Node& node = *pending.mapped().node;
  if (node.synced_by > sync) return;  // By one that began later and was quicker.
  node.synced_by = sync;
  node.synced_bytes = std::move(pending.mapped().bytes);
  node.synced_names = std::move(pending.mapped().names);
}

std::string DiskImage::BytesAfter(const Node& node, Loss loss) {
  if (loss == Loss::kNames || loss == Loss::kNothing) return node.bytes;
  if (loss != Loss::kTorn || node.bytes == node.synced_bytes) return node.synced_bytes;
  // From `begin` to `end` they differ.
  const std::string& now = node.bytes;
  std::string torn = node.synced_bytes;
  torn.resize(now.size(), '\0');
  const auto begin = std::mismatch(now.begin(), now.end(), torn.begin()).first - now.begin();
  const auto end = now.rend() - std::mismatch(now.rbegin(), now.rend(), torn.rbegin()).first;
  if (begin >= end) return torn;
  const auto middle = begin + (end - begin) / 2;
  std::copy(now.begin() + begin, now.begin() + middle, torn.begin() + begin);
  return torn;
}

void DiskImage::Collect(const Node& dir, const std::string& prefix, Loss loss,
                        std::map<std::string, std::string>& files) {
  const bool synced = loss == Loss::kEverything || loss == Loss::kNames;
  for (const auto& [name, node] : synced ? dir.synced_names : dir.names) {
    const std::string path = prefix + name;
    if (node->is_dir) {
      files[path + "/"];
      Collect(*node, path + "/", loss, files);
    } else {
      files[path] = BytesAfter(*node, loss);
    }
  }
}

std::map<std::string, std::string> DiskImage::After(Loss loss) const {
  std::map<std::string, std::string> files;
  Collect(*root_, "", loss, files);
  return files;
}

void WriteFiles(const std::map<std::string, std::string>& files, const std::string& root) {
  for (const auto& [path, bytes] : files) {
    const std::string target = absl::StrCat(root, "/", path);
    if (absl::EndsWith(path, "/")) {
      std::filesystem::create_directory(target);
    } else {
      WriteWhole(target, bytes);
    }
  }
}

}  // namespace skytrain
