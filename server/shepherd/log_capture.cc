#include "server/shepherd/log_capture.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/timestamp.h"

namespace skytrain {
namespace {

constexpr size_t kReadSize = 64 * 1024;
constexpr size_t kLastWords = 2048;

v1::Event NewEvent() {
  v1::Event event;
  *event.mutable_time() = ToTimestamp(absl::Now());
  return event;
}

}  // namespace

LogCapture::LogCapture(int rank, v1::LogChunk::Stream stream, int fd, uint64_t quota,
                       SpoolWriter& spool)
    : rank_(rank), stream_(stream), fd_(fd), quota_(quota), spool_(spool) {}

bool LogCapture::Read() {
  char buffer[kReadSize];
  while (true) {
    const ssize_t got = read(fd_, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    // One turn each: a rank that prints without end must not keep the shepherd from its other work.
    Store(absl::string_view(buffer, static_cast<size_t>(got)));
    return true;
  }
}

void LogCapture::Finish() {
  // All that the rank wrote is in the pipe, which holds 1 MiB at the very most.
  char buffer[kReadSize];
  for (int turn = 0; turn < 64; ++turn) {
    const ssize_t got = read(fd_, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    Store(absl::string_view(buffer, static_cast<size_t>(got)));
  }
  if (dropped_ > 0) WriteGap(dropped_, absl::StrCat("bytes of log dropped, ", Source()));
}

void LogCapture::Store(absl::string_view data) {
  last_words_.append(data.data(), data.size());
  if (last_words_.size() > kLastWords) last_words_.erase(0, last_words_.size() - kLastWords);

  const size_t room = static_cast<size_t>(std::min<uint64_t>(data.size(), quota_ - kept_));
  if (room > 0) {
    v1::Event event = NewEvent();
    event.mutable_log()->set_rank(rank_);
    event.mutable_log()->set_stream(stream_);
    event.mutable_log()->set_data(data.data(), room);
    if (spool_.Append(FrameType::kEvent, event.SerializeAsString()).ok()) {
      kept_ += room;
    } else {
      dropped_ += room;
    }
  }
  if (room == data.size()) return;
  dropped_ += data.size() - room;
  if (quota_told_) return;
  quota_told_ = true;
  WriteGap(
      0, absl::StrCat(Source(), " has printed more than ", quota_, " bytes; the rest is dropped"));
}

void LogCapture::WriteGap(uint64_t records, std::string reason) {
  v1::Event event = NewEvent();
  event.mutable_gap()->set_records(static_cast<int64_t>(records));
  event.mutable_gap()->set_reason(std::move(reason));
  spool_.Append(FrameType::kEvent, event.SerializeAsString()).IgnoreError();
}

std::string LogCapture::Source() const {
  return absl::StrCat("rank ", rank_,
                      stream_ == v1::LogChunk::STREAM_STDOUT ? " stdout" : " stderr");
}

void WriteOwnLine(absl::string_view text, SpoolWriter& spool) {
  v1::Event event = NewEvent();
  event.mutable_log()->set_rank(-1);
  event.mutable_log()->set_stream(v1::LogChunk::STREAM_STDERR);
  event.mutable_log()->set_data(absl::StrCat(text, "\n"));
  // On a full disk it is lost; the exit record tells what matters.
  spool.Append(FrameType::kEvent, event.SerializeAsString()).IgnoreError();
}

}  // namespace skytrain
