#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/commands/context.h"
#include "skytrain/v1/job.pb.h"
#include "skytrain/v1/model.pb.h"

namespace skytrain::client {

// The same of a model's file and of a job's.
struct RemoteFile {
  RemoteFile(const v1::ModelFile& file);  // NOLINT: meant to convert.
  RemoteFile(const v1::JobFile& file);    // NOLINT
  std::string name, blob, sha256;
  int64_t size_bytes = 0;
};

// Fetches `file` to `path` and says so on stderr. Errors are Download's.
absl::Status FetchFile(Context& context, Client& client, const RemoteFile& file,
                       const std::string& path);

// Fetches all of `files` to the folder `dir`, which is made where it is missing; those that are
// there already stay. What was fetched is taken back when a file of it is damaged. DATA_LOSS
// (BAD_FILE_NAME): a name leads out of the folder.
absl::Status FetchFiles(Context& context, Client& client, const std::vector<RemoteFile>& files,
                        const std::string& dir);

}  // namespace skytrain::client
