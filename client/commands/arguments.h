#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/api/client.h"
#include "client/commands/context.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/experiment.pb.h"
#include "skytrain/v1/model.pb.h"

namespace skytrain::client {

// "galaxies-7k2m" or "jobs/galaxies-7k2m" to the latter. INVALID_ARGUMENT (BAD_NAME).
absl::StatusOr<std::string> JobArgument(const std::string& typed);

// The model that `typed` names: a model, one of its versions, or the job that published it.
// NOT_FOUND, FAILED_PRECONDITION (NO_MODEL) for a job that has none.
absl::StatusOr<v1::Model> ModelArgument(Client& client, const std::string& typed);

// `path` below the current directory of this process, when the server sees the same files.
std::string AbsolutePath(const Target& target, const std::string& path);

// Has the server look at the data, with a word on stderr meanwhile: the first look at a large set
// takes a while, and CreateJob then finds its result.
absl::StatusOr<v1::DatasetManifest> Inspect(Context& context, Client& client, const v1::Data& data,
                                            const v1::Task& task, bool unlabelled = false);

}  // namespace skytrain::client
