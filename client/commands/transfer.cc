#include "client/commands/transfer.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/api/upload.h"
#include "client/render/format.h"
#include "client/render/run_view.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

bool IsHere(const std::string& path) {
  struct stat info;
  return !path.empty() && stat(path.c_str(), &info) == 0;
}

}  // namespace

TransferLine::TransferLine(Context& context, std::string file, int64_t size)
    : context_(context), file_(std::move(file)), size_(size), live_(context.err()) {}

void TransferLine::Draw(absl::string_view what, int64_t done) {
  const absl::Time now = absl::Now();
  if (now - drawn_at_ < absl::Milliseconds(100)) return;
  drawn_at_ = now;
  const double part = size_ > 0 ? static_cast<double>(done) / static_cast<double>(size_) : 1.0;
  context_.Err(live_.Draw({absl::StrCat(what, file_, " ", ProgressBar(part, 30, context_.err()),
                                        " ", FormatBytes(done), " of ", FormatBytes(size_))}));
}

void TransferLine::Clear() { context_.Err(live_.Clear()); }

absl::StatusOr<std::string> UploadFile(Context& context, Client& client, const std::string& path,
                                       const std::string& shown) {
  const std::string name = Printable(shown.empty() ? path : shown);
  struct stat info = {};
  stat(path.c_str(), &info);  // Upload says what is wrong with it.
  TransferLine line(context, name, info.st_size);
  UploadOptions options;
  options.path = path;
  options.progress = [&](bool hashing, int64_t done, int64_t) {
    line.Draw(hashing ? "reading " : "sending ", done);
  };
  options.goes_on = [&](int64_t done) {
    line.Clear();
    context.Err(absl::StrCat(name, "  goes on at ", FormatBytes(done), " of ",
                             FormatBytes(info.st_size), "\n"));
  };
  const absl::StatusOr<v1::Blob> blob = Upload(client, std::move(options));
  line.Clear();
  if (context.interrupt().raised() || absl::IsUnavailable(blob.status())) {
    context.Err(
        absl::StrCat(name, " is not there whole. The same command goes on where it stopped.\n"));
  }
  RETURN_IF_ERROR(blob.status());
  context.Err(absl::StrCat(name, "  ", FormatBytes(blob->size_bytes()), "  sent\n"));
  return blob->name();
}

absl::Status UploadData(Context& context, Client& client, const v1::Data& typed, v1::Data& data) {
  const auto send = [&](const std::string& path, std::string* name) -> absl::Status {
    if (!IsHere(path)) return absl::OkStatus();  // The server says what it thinks of it.
    ASSIGN_OR_RETURN(*name, UploadFile(context, client, path));
    return absl::OkStatus();
  };
  if (typed.has_dataset()) RETURN_IF_ERROR(send(typed.dataset(), data.mutable_dataset()));
  if (!typed.has_files()) return absl::OkStatus();
  for (int i = 0; i < typed.files().images_size(); ++i) {
    RETURN_IF_ERROR(send(typed.files().images(i), data.mutable_files()->mutable_images(i)));
  }
  RETURN_IF_ERROR(send(typed.files().table(), data.mutable_files()->mutable_table()));
  if (!typed.has_splits()) return absl::OkStatus();
  const auto send_table = [&](const v1::Split& said, v1::Split* split) -> absl::Status {
    return said.has_table() ? send(said.table(), split->mutable_table()) : absl::OkStatus();
  };
  v1::Splits& splits = *data.mutable_splits();
  const v1::Splits& said = typed.splits();
  if (said.has_train()) RETURN_IF_ERROR(send_table(said.train(), splits.mutable_train()));
  if (said.has_validation()) {
    RETURN_IF_ERROR(send_table(said.validation(), splits.mutable_validation()));
  }
  return said.has_test() ? send_table(said.test(), splits.mutable_test()) : absl::OkStatus();
}

}  // namespace skytrain::client
