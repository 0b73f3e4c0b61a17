#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skytrain {

// CRC-32C (Castagnoli, RFC 3720 §12.1) of `data`, continuing from `crc` (0 at the start). Uses
// SSE4.2 where it is.
uint32_t Crc32c(absl::string_view data, uint32_t crc = 0);

// A rotated CRC plus a constant: the CRC of bytes that contain their own CRC is weak, and the CRC
// of nothing is 0.
uint32_t MaskCrc(uint32_t crc);

namespace internal {
// Crc32c by tables alone: what machines without SSE4.2 run. Here for tests.
uint32_t Crc32cPortable(absl::string_view data, uint32_t crc);
}  // namespace internal

// SHA-256 (FIPS 180-4), incremental.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void Update(absl::string_view data);
  std::string HexDigest();  // 64 lower-case digits. Call once.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string Sha256Hex(absl::string_view data);
// Adds all bytes of the file at `path` to `sha`.
absl::Status UpdateFromFile(const std::string& path, Sha256& sha);
absl::StatusOr<std::string> Sha256HexOfFile(const std::string& path);
// Of the rest of the file `fd`, which is closed; `path` is for errors. CANCELLED as soon as `stop`
// answers true; it is asked every MiB, and may be empty.
absl::StatusOr<std::string> Sha256HexOfRest(int fd, const std::string& path,
                                            const std::function<bool()>& stop);

}  // namespace skytrain
