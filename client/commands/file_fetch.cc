#include "client/commands/file_fetch.h"

#include <sys/stat.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "client/api/download.h"
#include "client/commands/transfer.h"
#include "client/render/format.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

// An earlier fetch may have left the file as it is wanted.
bool IsThere(const std::string& path, const RemoteFile& file) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || info.st_size != file.size_bytes) return false;
  const absl::StatusOr<std::string> digest = Sha256HexOfFile(path);
  return digest.ok() && *digest == file.sha256;
}

}  // namespace

RemoteFile::RemoteFile(const v1::ModelFile& file)
    : name(file.name()), blob(file.blob()), sha256(file.sha256()), size_bytes(file.size_bytes()) {}

RemoteFile::RemoteFile(const v1::JobFile& file)
    : name(file.name()), blob(file.blob()), sha256(file.sha256()), size_bytes(file.size_bytes()) {}

absl::Status FetchFile(Context& context, Client& client, const RemoteFile& file,
                       const std::string& path) {
  TransferLine line(context, file.name, file.size_bytes);
  DownloadOptions options;
  options.blob = file.blob;
  options.path = path;
  options.size = file.size_bytes;
  options.sha256 = file.sha256;
  options.progress = [&](int64_t done) { line.Draw("", done); };
  const absl::Status status = Download(client, std::move(options));
  line.Clear();
  RETURN_IF_ERROR(status);
  context.Err(absl::StrCat(Printable(file.name), "  ", FormatBytes(file.size_bytes), "  sha256 ",
                           FormatSha256(file.sha256), "\n"));
  return absl::OkStatus();
}

absl::Status FetchFiles(Context& context, Client& client, const std::vector<RemoteFile>& files,
                        const std::string& dir) {
  for (const RemoteFile& file : files) {
    // The name comes from the server: it must stay within the folder.
    if (file.name.empty() || file.name[0] == '.' || file.name.find('/') != std::string::npos) {
      return ErrorWithReason(absl::StatusCode::kDataLoss, "BAD_FILE_NAME",
                             absl::StrCat("the server names a file '", Printable(file.name), "'"));
    }
  }
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) {
    return absl::UnknownError(absl::StrCat("cannot make the folder ", dir, ": ", error.message()));
  }
  std::vector<std::string> fetched;
  for (const RemoteFile& file : files) {
    const std::string path = absl::StrCat(dir, "/", file.name);
    if (IsThere(path, file)) {
      context.Err(absl::StrCat(file.name, "  ", FormatBytes(file.size_bytes), "  already there\n"));
      continue;
    }
    const absl::Status status = FetchFile(context, client, file, path);
    if (absl::IsDataLoss(status)) {
      for (const std::string& one : fetched) std::remove(one.c_str());
    }
    RETURN_IF_ERROR(status);
    fetched.push_back(path);
  }
  return absl::OkStatus();
}

}  // namespace skytrain::client
