#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/api/download.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/commands/transfer.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

// An earlier fetch may have left the file as it is wanted.
bool IsThere(const std::string& path, const v1::ModelFile& file) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || info.st_size != file.size_bytes()) return false;
  const absl::StatusOr<std::string> digest = Sha256HexOfFile(path);
  return digest.ok() && *digest == file.sha256();
}

absl::Status FetchFile(Context& context, Client& client, const v1::ModelFile& file,
                       const std::string& path) {
  TransferLine line(context, file.name(), file.size_bytes());
  DownloadOptions options;
  options.blob = file.blob();
  options.path = path;
  options.size = file.size_bytes();
  options.sha256 = file.sha256();
  options.progress = [&](int64_t done) { line.Draw("", done); };
  const absl::Status status = Download(client, std::move(options));
  line.Clear();
  RETURN_IF_ERROR(status);
  context.Err(absl::StrCat(file.name(), "  ", FormatBytes(file.size_bytes()), "  sha256 ",
                           FormatSha256(file.sha256()), "\n"));
  return absl::OkStatus();
}

// Half a model is none: takes back what was fetched when a file of it is damaged.
absl::Status FetchFiles(Context& context, Client& client, const v1::Model& model,
                        const std::string& dir) {
  std::vector<std::string> fetched;
  for (const v1::ModelFile& file : model.files()) {
    const std::string path = absl::StrCat(dir, "/", file.name());
    if (IsThere(path, file)) {
      context.Err(
          absl::StrCat(file.name(), "  ", FormatBytes(file.size_bytes()), "  already there\n"));
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

void PrintResult(Context& context, const v1::Model& model, const std::string& dir) {
  if (context.format == Format::kTable) return context.Out(absl::StrCat(dir, "\n"));
  JsonWriter json(context.format == Format::kJson);
  json.BeginObject();
  json.Key("model");
  json.String(ShortName(model.name()));
  json.Key("dir");
  json.String(dir);
  json.Key("files");
  json.BeginList();
  for (const v1::ModelFile& file : model.files()) WriteMessage(file, json);
  json.EndList();
  json.EndObject();
  context.Out(json.Finish());
}

}  // namespace

absl::StatusOr<ExitCode> Fetch(Context& context, const FetchOptions& options) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const v1::Model model, ModelArgument(*client, options.what));
  ASSIGN_OR_RETURN(const ModelName name, ParseModelName(model.name()));
  const std::string dir = options.dir.empty() ? name.model : options.dir;
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) {
    return absl::UnknownError(absl::StrCat("cannot make the folder ", dir, ": ", error.message()));
  }
  for (const v1::ModelFile& file : model.files()) {
    // The name comes from the server: it must stay within the folder.
    if (file.name().empty() || file.name()[0] == '.' ||
        file.name().find('/') != std::string::npos) {
      return ErrorWithReason(
          absl::StatusCode::kDataLoss, "BAD_FILE_NAME",
          absl::StrCat("the server names a file '", Printable(file.name()), "'"));
    }
  }
  RETURN_IF_ERROR(FetchFiles(context, *client, model, dir));
  PrintResult(context, model, dir);
  return kExitOk;
}

}  // namespace skytrain::client
