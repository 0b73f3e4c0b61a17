// `datasets add` and `datasets upload`.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/commands/data_argument.h"
#include "client/commands/transfer.h"
#include "client/render/format.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

absl::Status CheckIsFile(const std::string& path) {
  std::error_code error;
  const auto kind = std::filesystem::status(path, error).type();
  if (kind == std::filesystem::file_type::directory) {
    std::string name = std::filesystem::path(path).lexically_normal().string();
    while (name.size() > 1 && name.back() == '/') name.pop_back();
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "UNREADABLE_FILE",
        absl::StrCat(Printable(path), " is a folder. Pack it first, and send the archive: tar -cf ",
                     Printable(std::filesystem::path(name).filename().string()), ".tar -C ",
                     Printable(name), " ."));
  }
  if (kind == std::filesystem::file_type::regular) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kNotFound, "UNREADABLE_FILE",
                         absl::StrCat("there is no file ", Printable(path), " here"));
}

// All of them before the first is sent: that may take hours.
absl::Status CheckAreFiles(const DataOptions& data) {
  for (const std::string& path : data.paths) RETURN_IF_ERROR(CheckIsFile(path));
  return data.table.empty() ? absl::OkStatus() : CheckIsFile(data.table);
}

// What the server is asked to look at and keep.
absl::StatusOr<v1::Data> DataToRegister(Context& context, Client& client,
                                        const AddDatasetOptions& options) {
  if (!options.upload) {
    ASSIGN_OR_RETURN(NamedData named, FindData(client, options.data));
    return std::move(named.data);
  }
  ASSIGN_OR_RETURN(const v1::Data typed, TypedData(options.data));
  RETURN_IF_ERROR(CheckAreFiles(options.data));
  v1::Data data = typed;
  RETURN_IF_ERROR(UploadData(context, client, typed, data));
  return data;
}

}  // namespace

absl::StatusOr<ExitCode> AddDataset(Context& context, const AddDatasetOptions& options) {
  ASSIGN_OR_RETURN(const std::string name, ParseDatasetName(options.name));
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  v1::Dataset dataset;
  dataset.set_name(DatasetName(name));
  dataset.set_target(options.data.target);
  dataset.set_description(options.description);
  ASSIGN_OR_RETURN(*dataset.mutable_data(), DataToRegister(context, *client, options));
  // A word on stderr meanwhile; the server then has it in memory.
  RETURN_IF_ERROR(Inspect(context, *client, dataset.data(), TypedTask(options.data)).status());
  ShownDataset shown;
  ASSIGN_OR_RETURN(shown.registered, client->RegisterDataset(dataset));
  shown.manifest = shown.registered->manifest();
  PrintDataset(context, shown);
  if (shown.manifest->classes().empty() && options.data.target.empty()) {
    context.Err(
        "No column is taken for the class. Each job names its own (task.classification.target, "
        "task.regression.targets, a tree of votes); to set one for all, delete it and add it again "
        "with --target COLUMN.\n");
  }
  return kExitOk;
}

}  // namespace skytrain::client
