// The chunks of one upload stream against the plainest possible account of them, on a disk that
// fails now and then.
#include <memory>

#include "server/blobs/chunk_writer.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace skytrain;

class MemoryFile final : public WritableFile {
 public:
  explicit MemoryFile(std::string& content, int64_t& disk_left)
      : content_(content), disk_left_(disk_left) {}
  absl::Status Append(absl::string_view data) override {
    const auto fits = static_cast<size_t>(std::min<int64_t>(data.size(), disk_left_));
    content_.append(data.data(), fits);
    disk_left_ -= static_cast<int64_t>(fits);
    return fits == data.size() ? absl::OkStatus() : absl::ResourceExhaustedError("full");
  }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::Status Close() override { return absl::OkStatus(); }
  uint64_t size() const override { return content_.size(); }

 private:
  std::string& content_;
  int64_t& disk_left_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Taker taker(fuzz::View(data, size));
  const auto whole = static_cast<int64_t>(taker.Number(2));
  std::string content(taker.Bytes(std::min<int64_t>(whole, taker.Number(1))));
  auto disk_left = static_cast<int64_t>(taker.Number(2));
  auto digest = std::make_unique<Sha256>();
  digest->Update(content);
  ChunkWriter writer(std::make_unique<MemoryFile>(content, disk_left), std::move(digest), whole);
  int64_t next = -1;
  while (!taker.empty() && !writer.complete()) {
    // Mostly where it goes on; now and then anywhere.
    const uint64_t kind = taker.Number(1);
    int64_t offset = next < 0 ? writer.received() : next;
    if (kind % 8 == 0) offset = static_cast<int64_t>(taker.Number(2)) - 16;
    if (kind % 32 == 1) offset = static_cast<int64_t>(taker.Number(8));
    const absl::string_view chunk = taker.Bytes(taker.Number(1));
    const uint32_t crc = Crc32c(chunk) ^ (kind % 64 == 2 ? 1 : 0);
    const std::string before = content;
    const absl::Status added = writer.Add(offset, chunk, crc);
    fuzz::Check(content.size() <= static_cast<size_t>(whole));
    fuzz::Check(content.compare(0, before.size(), before) == 0);
    if (!added.ok()) return 0;  // The stream is over.
    fuzz::Check(offset >= 0 && offset <= static_cast<int64_t>(before.size()));
    next = offset + static_cast<int64_t>(chunk.size());
    fuzz::Check(writer.received() == static_cast<int64_t>(content.size()));
    const size_t fresh = content.size() - before.size();
    fuzz::Check(fresh <= chunk.size() &&
                content.substr(before.size()) == chunk.substr(chunk.size() - fresh));
  }
  if (writer.complete()) {
    const auto sha256 = writer.Finish();
    fuzz::Check(sha256.ok() && *sha256 == Sha256Hex(content));
  }
  return 0;
}
