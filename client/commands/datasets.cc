// `datasets list`, `show` and `delete`.
#include "absl/time/clock.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/commands/data_argument.h"
#include "client/commands/selection.h"
#include "client/render/dataset_text.h"
#include "client/render/format.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> ListDatasets(Context& context) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const std::vector<v1::Dataset> datasets, client->ListDatasets());
  if (context.format == Format::kTable) {
    context.Out(DatasetTable(datasets, absl::Now(), context.out()));
    return kExitOk;
  }
  const bool lines = context.format == Format::kJsonl;
  JsonWriter json(/*pretty=*/true);
  json.BeginObject();
  json.Key("datasets");
  json.BeginList();
  for (v1::Dataset dataset : datasets) {
    dataset.set_name(ShortName(dataset.name()));
    JsonWriter line(/*pretty=*/false);
    WriteMessage(dataset, lines ? line : json);
    if (lines) context.Out(line.Finish());
  }
  json.EndList();
  json.EndObject();
  if (!lines) context.Out(json.Finish());
  return kExitOk;
}

absl::StatusOr<ExitCode> ShowDataset(Context& context, const DataOptions& options) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(NamedData named, FindData(*client, options));
  ShownDataset shown;
  shown.registered = std::move(named.registered);
  const absl::StatusOr<v1::DatasetManifest> manifest =
      Inspect(context, *client, named.data, TypedTask(options));
  if (manifest.ok()) shown.manifest = *manifest;
  // Of one whose files cannot be read, what is known of it helps.
  if (manifest.ok() || shown.registered.has_value()) PrintDataset(context, shown);
  RETURN_IF_ERROR(manifest.status());
  return kExitOk;
}

absl::StatusOr<ExitCode> DeleteDatasets(Context& context, const std::vector<std::string>& names) {
  return ActOnNames(context, names, "deleted",
                    [](Client& client, const std::string& typed) -> absl::Status {
                      ASSIGN_OR_RETURN(const std::string name, ParseDatasetName(typed));
                      return client.DeleteDataset(DatasetName(name));
                    });
}

}  // namespace skytrain::client
