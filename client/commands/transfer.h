#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/commands/context.h"
#include "client/render/live_lines.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::client {

// The line of a terminal that says how far a file is. Not thread-safe.
class TransferLine {
 public:
  TransferLine(Context& context, std::string file, int64_t size);
  // At most ten times a second. `what` stands before the file's name.
  void Draw(absl::string_view what, int64_t done);
  void Clear();

 private:
  Context& context_;
  const std::string file_;
  const int64_t size_;
  LiveLines live_;
  absl::Time drawn_at_ = absl::InfinitePast();
};

// Sends the file and says so on stderr. The blob's name. `shown`: what people know it by; empty:
// its path.
absl::StatusOr<std::string> UploadFile(Context& context, Client& client, const std::string& path,
                                       const std::string& shown = "");

// Sends every file that `typed` names and that is here, and names the blobs in `data` instead.
absl::Status UploadData(Context& context, Client& client, const v1::Data& typed, v1::Data& data);

}  // namespace skytrain::client
