#include "client/commands/data_argument.h"

#include <filesystem>

#include "absl/time/clock.h"
#include "client/commands/arguments.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

absl::Status BadArguments(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_ARGUMENTS", what);
}

// The data set of this name; none where there is none, or the server knows of no names.
absl::StatusOr<std::optional<v1::Dataset>> Registered(Client& client, const std::string& typed) {
  const absl::StatusOr<std::string> name = ParseDatasetName(typed);
  if (!name.ok()) return std::optional<v1::Dataset>();
  absl::StatusOr<v1::Dataset> dataset = client.GetDataset(DatasetName(*name));
  if (dataset.ok()) return std::optional(*std::move(dataset));
  if (absl::IsNotFound(dataset.status()) || absl::IsUnimplemented(dataset.status())) {
    return std::optional<v1::Dataset>();
  }
  return dataset.status();
}

// What is typed and is no registered name. One that could have been stays as it is unless a file
// here has it: then the server says what names there are.
std::string PathArgument(const Target& target, const std::string& typed) {
  std::error_code error;
  const bool may_be_name = ParseDatasetName(typed).ok();
  return may_be_name && !std::filesystem::exists(typed, error) ? typed
                                                               : AbsolutePath(target, typed);
}

}  // namespace

absl::StatusOr<std::string> DatasetArgument(Client& client, const std::string& typed) {
  ASSIGN_OR_RETURN(const auto registered, Registered(client, typed));
  return registered.has_value() ? typed : PathArgument(client.target(), typed);
}

absl::Status MakePathsAbsolute(Client& client, v1::Data& data) {
  if (data.has_dataset()) {
    ASSIGN_OR_RETURN(*data.mutable_dataset(), DatasetArgument(client, data.dataset()));
  }
  if (!data.has_files()) return absl::OkStatus();
  v1::Files& files = *data.mutable_files();
  for (std::string& path : *files.mutable_images()) path = AbsolutePath(client.target(), path);
  files.set_table(AbsolutePath(client.target(), files.table()));
  if (!data.has_splits()) return absl::OkStatus();
  v1::Splits& splits = *data.mutable_splits();
  const auto make_absolute = [&](v1::Split& split) {
    if (split.has_table()) split.set_table(AbsolutePath(client.target(), split.table()));
  };
  if (splits.has_train()) make_absolute(*splits.mutable_train());
  if (splits.has_validation()) make_absolute(*splits.mutable_validation());
  if (splits.has_test()) make_absolute(*splits.mutable_test());
  return absl::OkStatus();
}

void PrintDataset(Context& context, const ShownDataset& shown) {
  if (context.format == Format::kTable) {
    return context.Out(DatasetText(shown, absl::Now(), context.out()));
  }
  JsonWriter json(context.format == Format::kJson);
  WriteDataset(shown, json);
  context.Out(json.Finish());
}

absl::StatusOr<v1::Data> TypedData(const DataOptions& options) {
  v1::Data data;
  if (options.table.empty()) {
    if (options.paths.size() > 1) {
      return BadArguments("several paths are images that a table labels: name it with --table");
    }
    if (!options.id.empty() || !options.split.empty() || !options.file.empty() ||
        !options.weight.empty()) {
      return BadArguments("--id, --split, --file and --weight are columns of a --table");
    }
    data.set_dataset(options.paths.at(0));
  } else {
    if (options.id.empty()) {
      return BadArguments("--table needs --id, the column that holds the images' ids");
    }
    v1::Files& files = *data.mutable_files();
    files.mutable_images()->Assign(options.paths.begin(), options.paths.end());
    files.set_table(options.table);
    files.set_id(options.id);
    files.set_split(options.split);
    files.mutable_file()->Assign(options.file.begin(), options.file.end());
    files.set_weight(options.weight);
  }
  if (options.skip_unmatched) data.set_unmatched(v1::Data::POLICY_SKIP);
  if (options.skip_corrupt) data.set_corrupt(v1::Data::POLICY_SKIP);
  return data;
}

v1::Task TypedTask(const DataOptions& options) {
  v1::Task task;
  if (!options.target.empty()) task.mutable_classification()->set_target(options.target);
  return task;
}

absl::StatusOr<NamedData> FindData(Client& client, const DataOptions& options) {
  NamedData named;
  ASSIGN_OR_RETURN(named.data, TypedData(options));
  if (named.data.has_dataset()) {
    ASSIGN_OR_RETURN(named.registered, Registered(client, named.data.dataset()));
    if (!named.registered.has_value()) {
      named.data.set_dataset(PathArgument(client.target(), named.data.dataset()));
    }
    return named;
  }
  RETURN_IF_ERROR(MakePathsAbsolute(client, named.data));
  return named;
}

}  // namespace skytrain::client
