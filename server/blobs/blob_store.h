#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/blobs/blob_reader.h"
#include "server/blobs/upload_store.h"
#include "server/models/model_store.h"
#include "skytrain/v1/blob_service.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// The bytes behind resource names: files of models ("models/{model}/versions/{version}/files/
// {file}"), those of jobs ("jobs/{job}/files/{file}"), and what clients sent ("blobs/{sha256}").
// Thread-safe; calls block on the disk.
class BlobStore {
 public:
  // Who asks. What somebody else sent is BLOB_NOT_FOUND, but for admins, and so are models and jobs
  // that the reader may not see.
  struct Reader {
    std::string owner;
    bool admin = false;
  };
  // The files of a job that is over and what they lie in.
  struct JobFiles {
    std::vector<v1::JobFile> files;
    std::string dir;
    FileSystem* fs = &FileSystem::Posix();
  };
  // Finds those of the job `id`, without "jobs/". NOT_FOUND where the reader may not see it.
  using FindJobFiles =
      std::function<absl::StatusOr<JobFiles>(const std::string& id, const Reader& reader)>;

  // `job_files` may be empty: no job has files.
  BlobStore(ModelStore& models, UploadStore& uploads, FindJobFiles job_files = {})
      : models_(models), uploads_(uploads), job_files_(std::move(job_files)) {}

  // NOT_FOUND (BLOB_NOT_FOUND).
  absl::StatusOr<v1::Blob> Stat(absl::string_view name, const Reader& reader);
  // Reads from `offset` on. NOT_FOUND (BLOB_NOT_FOUND), OUT_OF_RANGE (OFFSET_OUT_OF_RANGE),
  // DATA_LOSS (BLOB_CORRUPT).
  absl::StatusOr<std::unique_ptr<BlobReader>> Open(absl::string_view name, int64_t offset,
                                                   const Reader& reader);

  UploadStore& uploads() { return uploads_; }

 private:
  absl::StatusOr<LocatedBlob> Locate(absl::string_view name, const Reader& reader);
  absl::StatusOr<LocatedBlob> LocateModelFile(absl::string_view name, const Reader& reader);
  absl::StatusOr<LocatedBlob> LocateJobFile(absl::string_view name, const Reader& reader);

  ModelStore& models_;
  UploadStore& uploads_;
  const FindJobFiles job_files_;
};

}  // namespace skytrain
