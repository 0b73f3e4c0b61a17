// A cache file whose checksums are right: what is accepted can be indexed without looking again.
#include <cstring>
#include <numeric>
#include <vector>

#include "common/digest/digest.h"
#include "server/data/cache_format.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace skytrain;
using namespace skytrain::data;

std::string WithChecksums(std::string file) {
  if (file.size() < kCacheHeaderBytes) return file;
  CacheHeader header;
  file.copy(reinterpret_cast<char*>(&header), sizeof(header));
  std::memcpy(header.magic, kCacheMagic, sizeof(header.magic));
  header.version = kCacheVersion;
  const uint64_t rest = file.size() - kCacheHeaderBytes;
  header.index_bytes = rest - std::min(rest, header.pixel_bytes);
  header.index_crc =
      MaskCrc(Crc32c(absl::string_view(file).substr(file.size() - header.index_bytes)));
  header.header_crc = HeaderCrc(header);
  std::memcpy(file.data(), &header, sizeof(header));
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Taker taker(fuzz::View(data, size));
  // The header's 4 KiB are mostly zeros: an input brings 48 bytes of them.
  std::string file(taker.Bytes(48));
  file.resize(kCacheHeaderBytes);
  file += std::string(taker.Rest());
  CacheIndex index;
  (void)DecodeIndex(taker.Rest(), taker.Rest().size() % 5, index);
  const auto cache = CacheFile::Open(fuzz::InputFile(WithChecksums(std::move(file))));
  if (!cache.ok()) return 0;
  const CacheIndex& whole = (*cache)->index();
  const size_t side = (*cache)->side();
  fuzz::Check((*cache)->pixels().size() == whole.labels.size() * side * side * 3);
  fuzz::Check(whole.ids.size() == whole.labels.size());
  for (const int32_t label : whole.labels) {
    fuzz::Check(label >= 0 &&
                static_cast<size_t>(label) < std::max<size_t>(whole.classes.size(), 1));
  }
  fuzz::Check(whole.targets.size() == whole.labels.size() * whole.target_names.size());
  fuzz::Check(whole.groups.empty() || whole.groups.size() == whole.labels.size());
  std::vector<int64_t> samples(whole.labels.size());
  std::iota(samples.begin(), samples.end(), int64_t{0});
  (*cache)->WillRead(samples);
  (void)(*cache)->FindDamage(samples);
  return 0;
}
