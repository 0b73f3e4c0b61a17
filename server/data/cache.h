#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/data/fd.h"
#include "skytrain/v1/dataset.pb.h"

namespace skytrain::data {

// What the cache knows of a set besides its pixels.
struct CacheIndex {
  v1::DatasetManifest manifest;  // Problems of decoding among them.
  std::vector<std::string> classes;
  std::vector<std::string> splits;     // The set's own.
  std::vector<std::string> ids;        // One a sample.
  std::vector<int32_t> labels;         // Into classes; 0 where there are none.
  std::vector<int32_t> sample_splits;  // Into splits; -1: none.
  std::vector<std::string> target_names;
  std::vector<float> targets;     // [samples, target_names]
  std::vector<float> weights;     // One a sample, or empty.
  std::vector<double> positions;  // [samples, 2]: as Dataset::positions, or empty.
  std::vector<int32_t> groups;    // Of each sample, from 0; empty: nobody asked for any.
  std::vector<uint64_t> digests;  // Hash64 of the pixels of each sample.
};

// A cache file (format: README.md), mapped read-only. Thread-safe: what it holds is immutable. It
// may be larger than memory: the kernel holds what it has room for.
class CacheFile {
 public:
  // Checks header, index and sizes, and reads no pixel: FindDamage does. NOT_FOUND when there is no
  // file, DATA_LOSS when it is damaged.
  static absl::StatusOr<std::unique_ptr<CacheFile>> Open(const std::string& path);
  ~CacheFile();

  absl::Span<const uint8_t> pixels() const;  // uint8 [count, side, side, 3]
  int side() const { return side_; }
  CacheIndex& index() { return index_; }
  const std::string& path() const { return path_; }

  // Has the kernel read the pixels of `samples` ahead, and waits for none.
  void WillRead(absl::Span<const int64_t> samples) const;
  // The first of `samples` whose pixels are not those that were written; nullopt: all are. Looks at
  // each sample once in the life of this object.
  std::optional<int64_t> FindDamage(absl::Span<const int64_t> samples) const;
  // Removes the file, so that who opens it next builds it anew; nothing when another has taken its
  // name since. The mapping stays.
  void Discard() const;

 private:
  CacheFile() = default;
  absl::Status Map(const std::string& path);

  absl::string_view PixelsOf(int64_t sample) const;
  bool IsDamaged(int64_t sample) const;

  std::string path_;
  Fd fd_;  // Open and locked (shared) as long as it is in use: retention leaves it alone.
  void* map_ = nullptr;
  size_t map_bytes_ = 0;
  size_t pixel_bytes_ = 0;
  int side_ = 0;
  CacheIndex index_;
  std::unique_ptr<std::atomic<uint8_t>[]> good_;  // Of each sample: 1 once it was found whole.
};

// Writes a cache file beside its final name and renames it when it is whole and synced. PutImage
// may be called from many threads, everything else from one. Removed again unless Commit succeeded.
class CacheWriter {
 public:
  // Reserves room for `capacity` images of `side`. RESOURCE_EXHAUSTED (DISK_FULL) with the bytes
  // that are needed and those that are free.
  static absl::StatusOr<std::unique_ptr<CacheWriter>> Create(const std::string& path,
                                                             int64_t capacity, int side);
  ~CacheWriter();

  // `pixels`: uint8 [side, side, 3].
  absl::Status PutImage(int64_t slot, const uint8_t* pixels);
  // Keeps the images of `slots` (ascending), in that order, and finishes the file.
  absl::Status Commit(const std::vector<int64_t>& slots, const CacheIndex& index);

 private:
  CacheWriter(std::string path, int side);
  absl::Status Compact(const std::vector<int64_t>& slots);

  std::string path_, temporary_;
  int side_;
  int64_t image_bytes_;
  Fd fd_;
  bool committed_ = false;
};

// Held by whoever builds one cache file, so that of several jobs only one decodes.
// Waits; CANCELLED when `stop` says so.
absl::StatusOr<Fd> LockCache(const std::string& path, const std::function<bool()>& stop);

}  // namespace skytrain::data
