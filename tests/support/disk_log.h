#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"

namespace skytrain {

// What a disk was asked to do below one folder, as one sequence: who fills it is
// recording_disk.h, what a power loss would have left of it says DiskImage.
struct DiskOperation {
  enum class Kind {
    kCreate,    // Of an empty file; nothing when there is one.
    kWrite,     // `bytes` at `offset`, behind a hole where that is beyond the end.
    kTruncate,  // To `offset` bytes; may make it longer.
    kLink,      // `target`: the new name.
    kRename,    // `target`: the new name.
    kRemove,    // Of a file, or of a folder with everything below it.
    kCreateDir,
    kBeginSync,     // A sync holds what was done before it began,
    kEndSync,       // and is worth something once it has ended. `sync` names the pair.
    kBeginSyncDir,  // Of the names in a folder.
    kEndSyncDir,
  };
  Kind kind;
  std::string path;  // Below the folder; empty: the folder itself.
  std::string target = {};
  int64_t offset = 0;
  std::string bytes = {};
  uint64_t sync = 0;
};

// Thread-safe.
class DiskLog {
 public:
  // What is below `root` when recording begins is not known here; let it be empty.
  explicit DiskLog(std::string root);

  // Makes a change with `act` and, when that succeeds, records it. No other recorded change is made
  // meanwhile, so the log has them in the order in which the disk saw them. `path` and `target` are
  // absolute; what lies elsewhere is done and not recorded.
  absl::Status Do(DiskOperation operation, absl::FunctionRef<absl::Status()> act)
      ABSL_LOCKS_EXCLUDED(mu_);
  // A change that was made a moment ago.
  void Add(DiskOperation operation) ABSL_LOCKS_EXCLUDED(mu_);
  // Syncs of `path`, below the root, are not recorded from now on, as if nobody had asked for them:
  // a check that does not notice that one is missing checks nothing.
  void Forget(std::string path) ABSL_LOCKS_EXCLUDED(mu_);
  // 0: not recorded.
  uint64_t BeginSync(const std::string& path, bool folder) ABSL_LOCKS_EXCLUDED(mu_);
  void EndSync(uint64_t sync) ABSL_LOCKS_EXCLUDED(mu_);

  const std::string& root() const { return root_; }
  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<DiskOperation> operations() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  bool MakeRelative(DiskOperation& operation) const;

  const std::string root_;
  mutable Mutex mu_;
  std::vector<DiskOperation> operations_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> forgotten_ ABSL_GUARDED_BY(mu_);
};

// The disk after the first operations of a log, both as programs saw it and as far as syncs made it
// last. A sync of a file makes its content last, not its name; a sync of a folder the names in it,
// not what they stand for.
class DiskImage {
 public:
  // What a power loss does to all that no sync holds: file systems differ.
  enum class Loss {
    kEverything,  // It is gone.
    kNames,       // The bytes are there, the names are as they were at the last sync.
    kBytes,       // The names are there; files end where they were synced, or are empty.
    kTorn,        // The names are there; of the changed bytes the first half arrived, and a file
                  // that grew has zeros behind them.
    kNothing,     // As when only the processes die.
  };
  static constexpr Loss kLosses[] = {Loss::kEverything, Loss::kNames, Loss::kBytes, Loss::kTorn,
                                     Loss::kNothing};
  static absl::string_view NameOf(Loss loss);

  DiskImage();
  void Apply(const DiskOperation& operation);
  // Path below the folder -> content; folders end with a slash.
  std::map<std::string, std::string> After(Loss loss) const;

 private:
  struct Node;
  using Names = std::map<std::string, std::shared_ptr<Node>>;
  struct Node {
    bool is_dir = false;
    std::string bytes, synced_bytes;
    Names names, synced_names;
    uint64_t synced_by = 0;
  };
  struct Pending {
    std::shared_ptr<Node> node;
    std::string bytes;
    Names names;
  };

  // Null: there is none.
  std::shared_ptr<Node> Find(const std::string& path) const;
  void Put(const std::string& path, std::shared_ptr<Node> node);
  std::shared_ptr<Node> Take(const std::string& path);
  void EndSync(uint64_t sync);
  static std::string BytesAfter(const Node& node, Loss loss);
  static void Collect(const Node& dir, const std::string& prefix, Loss loss,
                      std::map<std::string, std::string>& files);

  const std::shared_ptr<Node> root_;
  std::map<uint64_t, Pending> pending_;
};

// Makes `files`, as DiskImage::After gives them, below the folder `root`, which is there.
void WriteFiles(const std::map<std::string, std::string>& files, const std::string& root);

}  // namespace skytrain
