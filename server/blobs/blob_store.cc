#include "server/blobs/blob_store.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/blobs/blob_errors.h"

namespace skytrain {
namespace {

constexpr absl::string_view kFiles = "/files/";

// File: ModelFile or JobFile.
template <typename File>
LocatedBlob Located(const File& file, const std::string& dir) {
  LocatedBlob located;
  located.blob.set_name(file.blob());
  located.blob.set_size_bytes(file.size_bytes());
  located.blob.set_sha256(file.sha256());
  located.blob.set_committed_bytes(file.size_bytes());
  located.path = absl::StrCat(dir, "/", file.name());
  return located;
}

bool DoesNotExist(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsInvalidArgument(status);
}

}  // namespace

absl::StatusOr<LocatedBlob> BlobStore::LocateModelFile(absl::string_view name,
                                                       const Reader& reader) {
  const size_t at = name.find(kFiles);
  if (at == absl::string_view::npos) return BlobNotFound(name);
  const absl::string_view file_name = name.substr(at + kFiles.size());
  const absl::StatusOr<v1::Model> model =
      models_.Get(name.substr(0, at), {reader.owner, reader.admin});
  if (!model.ok()) return DoesNotExist(model.status()) ? BlobNotFound(name) : model.status();
  // Only names that were published are files: no path is made from what a client sends.
  for (const v1::ModelFile& file : model->files()) {
    if (file.name() != file_name) continue;
    LocatedBlob located = Located(file, models_.DirOf(*model));
    located.remedy = "Publish it again by running its job again, or restore it from a backup";
    return located;
  }
  return BlobNotFound(name);
}

absl::StatusOr<LocatedBlob> BlobStore::LocateJobFile(absl::string_view name, const Reader& reader) {
  const size_t at = name.find(kFiles);
  if (at == absl::string_view::npos || !job_files_) return BlobNotFound(name);
  const absl::StatusOr<std::string> id = ParseJobName(name.substr(0, at));
  if (!id.ok()) return BlobNotFound(name);
  const absl::StatusOr<JobFiles> job = job_files_(*id, reader);
  if (!job.ok()) return DoesNotExist(job.status()) ? BlobNotFound(name) : job.status();
  for (const v1::JobFile& file : job->files) {
    if (file.name() != name.substr(at + kFiles.size())) continue;
    LocatedBlob located = Located(file, job->dir);
    located.fs = job->fs;
    located.remedy = "Run the job again, or restore it from a backup";
    return located;
  }
  return BlobNotFound(name);
}

absl::StatusOr<LocatedBlob> BlobStore::Locate(absl::string_view name, const Reader& reader) {
  if (absl::StartsWith(name, "jobs/")) return LocateJobFile(name, reader);
  if (!absl::StartsWith(name, "blobs/")) return LocateModelFile(name, reader);
  const absl::StatusOr<std::string> sha256 = ParseBlobName(name);
  if (!sha256.ok()) return BlobNotFound(name);
  return uploads_.Find(*sha256,
                       reader.admin ? std::nullopt : std::optional<std::string>(reader.owner));
}

absl::StatusOr<v1::Blob> BlobStore::Stat(absl::string_view name, const Reader& reader) {
  absl::StatusOr<LocatedBlob> located = Locate(name, reader);
  if (located.ok()) return std::move(located->blob);
  const absl::StatusOr<std::string> sha256 = ParseBlobName(name);
  if (!sha256.ok()) return located.status();
  return uploads_.Stat(*sha256, reader.owner);
}

absl::StatusOr<std::unique_ptr<BlobReader>> BlobStore::Open(absl::string_view name, int64_t offset,
                                                            const Reader& reader) {
  ASSIGN_OR_RETURN(LocatedBlob located, Locate(name, reader));
  return BlobReader::Open(std::move(located), offset, uploads_.verified());
}

}  // namespace skytrain
