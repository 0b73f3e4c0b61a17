// The spool reader on any file, read at once and in two halves as by a daemon that starts again.
#include "common/digest/digest.h"
#include "common/spool/spool.h"
#include "common/spool/spool_format.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace skytrain;

// Makes the checksums of the header and of the first frames right, or no input would pass them.
std::string WithChecksums(std::string file) {
  if (file.size() < spool::kFileHeaderSize) return file;
  const auto put = [&](size_t at, uint32_t value) {
    for (int i = 0; i < 4; ++i) file[at + i] = static_cast<char>(value >> (8 * i));
  };
  std::copy(std::begin(spool::kMagic), std::end(spool::kMagic), file.begin());
  put(8, spool::kVersion);
  put(16, MaskCrc(Crc32c(absl::string_view(file).substr(0, 16))));
  const uint32_t salt = spool::LoadU32(file.data() + 12);
  size_t at = spool::kFileHeaderSize;
  for (int frame = 0; frame < 8; ++frame) {
    if (file.size() - at < spool::kFrameHeaderSize) break;
    const size_t size = spool::kFrameHeaderSize - 1 + spool::LoadU32(file.data() + at + 4);
    if (size < spool::kFrameHeaderSize || size > file.size() - at) break;
    put(at, spool::FrameCrc(salt, absl::string_view(file).substr(at, size)));
    at += size;
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Taker taker(fuzz::View(data, size));
  const bool mend = taker.Number(1) % 4 != 0;
  const std::string file =
      mend ? WithChecksums(std::string(taker.Rest())) : std::string(taker.Rest());
  const std::string& path = fuzz::InputFile(file);
  const auto reader = SpoolReader::Open(path, 0);
  fuzz::Check(reader.ok());
  uint64_t last = 0, frames = 0;
  while (true) {
    const auto frame = (*reader)->Next();
    if (!frame.ok() || !frame->has_value()) break;
    fuzz::Check((*frame)->end_offset > last && (*frame)->end_offset <= file.size());
    last = (*frame)->end_offset;
    if (++frames % 2 == 0) {
      const auto again = SpoolReader::Open(path, last);
      fuzz::Check(again.ok() && (*again)->Next().ok());
    }
  }
  fuzz::Check((*reader)->skipped_bytes() <= file.size());
  return 0;
}
