// Archives without random access (zip, compressed tar): one reader feeds the other threads.
#include <algorithm>
#include <deque>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "server/data/archive_reader.h"
#include "server/data/container.h"
#include "server/data/data_errors.h"
#include "server/data/paths.h"

namespace skytrain::data {
namespace {

// Hands files from the one reader to the threads that work on them; holds a bounded number of
// bytes.
class Queue {
 public:
  // False: nobody wants more.
  bool Push(size_t entry, std::string bytes) {
    MutexLock lock(mu_);
    while (held_bytes_ > kMostBytes && !closed_) changed_.Wait(mu_);
    if (closed_) return false;
    held_bytes_ += bytes.size() + 1;
    files_.emplace_back(entry, std::move(bytes));
    changed_.NotifyAll();
    return true;
  }
  // False: the end.
  bool Pop(std::pair<size_t, std::string>& file) {
    MutexLock lock(mu_);
    while (files_.empty() && !ended_ && !closed_) changed_.Wait(mu_);
    if (files_.empty() || closed_) return false;
    file = std::move(files_.front());
    files_.pop_front();
    held_bytes_ -= file.second.size() + 1;
    changed_.NotifyAll();
    return true;
  }
  void End() {  // No more will be pushed.
    MutexLock lock(mu_);
    ended_ = true;
    changed_.NotifyAll();
  }
  void Close() {  // No more is wanted.
    MutexLock lock(mu_);
    closed_ = true;
    changed_.NotifyAll();
  }

 private:
  static constexpr size_t kMostBytes = 16 << 20;
  Mutex mu_;
  CondVar changed_;
  std::deque<std::pair<size_t, std::string>> files_ ABSL_GUARDED_BY(mu_);
  size_t held_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool ended_ ABSL_GUARDED_BY(mu_) = false, closed_ ABSL_GUARDED_BY(mu_) = false;
};

class StreamArchive : public Container {
 public:
  StreamArchive(std::string path, bool zip)
      : Container(std::move(path)),
        format_(zip ? ArchiveReader::Format::kZip : ArchiveReader::Format::kCompressedTar) {}

  absl::Status List() {
    ASSIGN_OR_RETURN(const auto reader, ArchiveReader::Open(path_, format_));
    while (true) {
      ASSIGN_OR_RETURN(const bool more, reader->Next());
      if (!more) break;
      const bool readable = reader->problem().empty();
      if (readable && IsHiddenPath(reader->name())) continue;
      if (reader->is_folder() && readable) folders_.push_back(reader->name());
      if (!reader->is_file()) continue;
      if (readable && IsLabelFile(reader->name())) ++label_files_;
      bool image = HasImageSuffix(reader->name());
      if (!image && readable) {
        std::string head(8, '\0');
        RETURN_IF_ERROR(reader->ReadHead(head));
        image = HasImageMagic(head);
      }
      if (!image) continue;
      entries_.push_back({reader->name(), reader->size(), static_cast<uint64_t>(reader->number()),
                          reader->problem()});
    }
    Sort();
    return absl::OkStatus();
  }

  absl::Status Read(const std::vector<size_t>& wanted, int threads,
                    const Sink& sink) const override {
    Queue queue;
    std::vector<std::thread> workers;
    for (int t = 0; t < std::max(threads, 1); ++t) {
      workers.emplace_back([&queue, &sink] {
        for (std::pair<size_t, std::string> file; queue.Pop(file);) {
          if (!sink(file.first, file.second)) queue.Close();
        }
      });
    }
    const absl::Status status = Feed(wanted, queue);
    if (!status.ok()) queue.Close();
    queue.End();
    for (std::thread& worker : workers) worker.join();
    return status;
  }

 private:
  absl::Status Feed(const std::vector<size_t>& wanted, Queue& queue) const {
    std::vector<std::pair<uint64_t, size_t>> by_number;
    for (const size_t i : wanted) by_number.emplace_back(entries_[i].offset, i);
    std::sort(by_number.begin(), by_number.end());
    ASSIGN_OR_RETURN(const auto reader, ArchiveReader::Open(path_, format_));
    for (size_t k = 0; k < by_number.size();) {
      ASSIGN_OR_RETURN(const bool more, reader->Next());
      if (!more) {
        return DataInvalid(absl::StrCat(Quotable(path_), " became shorter while it was read"));
      }
      if (static_cast<uint64_t>(reader->number()) != by_number[k].first) continue;
      std::string bytes;
      RETURN_IF_ERROR(reader->ReadAll(bytes));
      if (!queue.Push(by_number[k].second, std::move(bytes))) return absl::OkStatus();
      ++k;
    }
    return absl::OkStatus();
  }

  ArchiveReader::Format format_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Container>> OpenStreamArchive(const std::string& path, bool zip) {
  auto archive = std::make_unique<StreamArchive>(path, zip);
  RETURN_IF_ERROR(archive->List());
  return archive;
}

}  // namespace skytrain::data
