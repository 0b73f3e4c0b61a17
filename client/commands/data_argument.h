#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/api/client.h"
#include "client/commands/commands.h"
#include "client/render/dataset_text.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::client {

// What a typed `data.dataset` is for the server: a name that is registered stays one; a path is
// made absolute when the server sees the same files. Asks the server only what could be a name.
absl::StatusOr<std::string> DatasetArgument(Client& client, const std::string& typed);
// The same for every place of `data` that names files.
absl::Status MakePathsAbsolute(Client& client, v1::Data& data);

// On stdout, as the output format wants it.
void PrintDataset(Context& context, const ShownDataset& shown);

// The data that the command line names, as typed. INVALID_ARGUMENT (BAD_ARGUMENTS) where paths and
// columns do not go together.
absl::StatusOr<v1::Data> TypedData(const DataOptions& options);

// A classification by the column that the command line names; unset: it names none.
v1::Task TypedTask(const DataOptions& options);

// The same for the server, and the registered data set when it is the name of one.
struct NamedData {
  v1::Data data;
  std::optional<v1::Dataset> registered;
};
absl::StatusOr<NamedData> FindData(Client& client, const DataOptions& options);

}  // namespace skytrain::client
