// How ModelStore makes versions.
#include <sys/statvfs.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "common/timestamp.h"
#include "server/models/model_card.h"
#include "server/models/model_store.h"

namespace skytrain {
namespace {

constexpr char kWeights[] = "model.safetensors";
constexpr char kCard[] = "model.json";
constexpr uint64_t kMaxCardBytes = 4 << 20;  // What a message to a client may have.
// Of one model. Who can write to an attempt's folder could else fill the disk of all.
constexpr int kMostFiles = 64;
constexpr uint64_t kMostBytes = uint64_t{64} << 30;
constexpr uint64_t kReservedBytes = 256 << 20;  // Kept free for everything else.
// Begins what stands for the job's uid in rows of imports.
constexpr char kImportUid[] = "import-";

absl::Status TooLarge(absl::StatusCode code, const std::string& path, absl::string_view why) {
  return absl::Status(code, absl::StrCat("the model in ", path, " ", why));
}

// The same file under a second name, or a synced copy where the file system cannot do that.
absl::Status LinkOrCopy(FileSystem& fs, const std::string& from, const std::string& to,
                        uint64_t bytes) {
  const absl::Status linked = fs.Link(from, to);
  if (!absl::IsFailedPrecondition(linked)) return linked;
  struct statvfs disk;
  if (statvfs(ParentOf(to).c_str(), &disk) == 0 &&
      bytes + kReservedBytes > uint64_t{disk.f_bavail} * disk.f_frsize) {
    return TooLarge(
        absl::StatusCode::kResourceExhausted, ParentOf(from),
        absl::StrCat("has a file of ", bytes, " bytes, for which the disk has no room"));
  }
  return CopyFile(fs, from, to, bytes);
}

absl::Status ModelTaken(const std::string& id, absl::string_view whose) {
  return ErrorWithReason(
      absl::StatusCode::kAlreadyExists, "MODEL_TAKEN",
      absl::StrCat("the name ", id, " ", whose, ": choose another one for the import"));
}

absl::Status MakeDir(FileSystem& fs, const std::string& path) {
  const absl::Status made = fs.CreateDir(path);
  return absl::IsAlreadyExists(made) ? absl::OkStatus() : made;
}

}  // namespace

absl::StatusOr<v1::Model> ModelStore::Publish(const v1::Job& job, const std::string& attempt_dir) {
  ASSIGN_OR_RETURN(const std::string id, ParseJobName(job.name()));
  MutexLock lock(publish_mu_);
  std::optional<ModelRow> published;
  int last_version = 0;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(published, FindModelOfJob(connection, job.uid()));
    ASSIGN_OR_RETURN(last_version, LastVersion(connection, id));
    return absl::OkStatus();
  }));
  if (published.has_value()) return ModelOf(*published);

  v1::Model model;
  model.set_job(job.name());
  model.set_owner(job.owner());
  model.set_dataset(job.dataset());
  return PublishFolder(absl::StrCat(attempt_dir, "/model"), id, job.uid(), last_version,
                       std::move(model));
}

absl::Status ModelStore::CheckImportName(const std::string& model_id, const std::string& owner) {
  std::optional<ModelRow> other;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(other, FindVersionBut(connection, model_id, kImportUid, owner));
    return absl::OkStatus();
  }));
  if (!other.has_value()) return absl::OkStatus();
  return ModelTaken(
      model_id, other->owner == owner ? "is that of a job's model" : "belongs to somebody else");
}

absl::StatusOr<bool> ModelStore::IsImported(const std::string& model_id) {
  bool imported = false;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const auto row, FindModel(connection, model_id, 0, std::nullopt));
    imported = row.has_value() && absl::StartsWith(row->job_uid, kImportUid);
    return absl::OkStatus();
  }));
  return imported;
}

absl::StatusOr<v1::Model> ModelStore::PublishImport(const std::string& model_id,
                                                    const std::string& owner,
                                                    const std::string& folder) {
  MutexLock lock(publish_mu_);
  RETURN_IF_ERROR(CheckImportName(model_id, owner));
  std::optional<ModelRow> newest;
  int last_version = 0;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(newest, FindModel(connection, model_id, 0, std::nullopt));
    ASSIGN_OR_RETURN(last_version, LastVersion(connection, model_id));
    return absl::OkStatus();
  }));
  if (newest.has_value()) {
    const absl::StatusOr<v1::Model> before = ModelOf(*newest);
    if (before.ok()) {
      ASSIGN_OR_RETURN(const bool same, HasFilesOf(*before, folder));
      if (same) return Get(before->name(), {owner, /*admin=*/false});
    }
  }
  v1::Model model;
  model.set_owner(owner);
  return PublishFolder(folder, model_id, absl::StrCat(kImportUid, NewUid()), last_version,
                       std::move(model));
}

absl::StatusOr<v1::Model> ModelStore::PublishFolder(const std::string& folder,
                                                    const std::string& id,
                                                    const std::string& job_uid, int last_version,
                                                    v1::Model model) {
  ModelRow row;
  row.model = id;
  row.version = last_version + 1;
  row.job_uid = job_uid;
  row.owner = model.owner();
  row.create_time = absl::ToUnixMicros(clock_.Now());

  model.set_name(ModelName{id, row.version, ""}.ToString());
  *model.mutable_create_time() = ToTimestamp(absl::FromUnixMicros(row.create_time));
  RETURN_IF_ERROR(CopyFiles(folder, id, row.version, &model));
  row.proto = model.SerializeAsString();
  // The folder first: a row always has its files; a folder without a row is replaced next time.
  RETURN_IF_ERROR(database_.Write(Database::Priority::kControl, [&](Connection& connection) {
    return InsertModel(connection, row);
  }));
  return model;
}

absl::StatusOr<bool> ModelStore::HasFilesOf(const v1::Model& model, const std::string& folder) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.ListDir(folder));
  if (names.size() != static_cast<size_t>(model.files_size())) return false;
  for (const v1::ModelFile& file : model.files()) {
    const std::string path = absl::StrCat(folder, "/", file.name());
    const auto info = fs_.Info(path);
    if (!info.ok() || static_cast<int64_t>(info->bytes) != file.size_bytes()) return false;
    ASSIGN_OR_RETURN(const auto content, fs_.ReadFile(path, info->bytes));
    if (Sha256Hex(content) != file.sha256()) return false;
  }
  return true;
}

absl::Status ModelStore::CopyFiles(const std::string& from, const std::string& id, int version,
                                   v1::Model* model) {
  if (!fs_.Exists(absl::StrCat(from, "/", kWeights)) ||
      !fs_.Exists(absl::StrCat(from, "/", kCard))) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "MODEL_NOT_WRITTEN",
                           absl::StrCat(from, " does not hold ", kWeights, " and ", kCard));
  }
  const std::string parent = absl::StrCat(models_dir_, "/", id);
  const std::string final_dir = absl::StrCat(parent, "/", version);
  const std::string tmp_dir = final_dir + ".tmp";
  RETURN_IF_ERROR(MakeDir(fs_, models_dir_));
  RETURN_IF_ERROR(fs_.SyncDir(ParentOf(models_dir_)));
  RETURN_IF_ERROR(MakeDir(fs_, parent));
  for (const std::string& left : {tmp_dir, final_dir}) {  // By a daemon that died here.
    if (fs_.Exists(left)) RETURN_IF_ERROR(fs_.RemoveTree(left));
  }
  RETURN_IF_ERROR(fs_.CreateDir(tmp_dir));
  ASSIGN_OR_RETURN(std::vector<std::string> names, fs_.ListDir(from));
  std::sort(names.begin(), names.end());
  std::string weights_sha256;
  uint64_t left = kMostBytes;
  for (const std::string& name : names) {
    const std::string source = absl::StrCat(from, "/", name);
    ASSIGN_OR_RETURN(const FileInfo info, fs_.Info(source));
    if (info.kind != FileInfo::Kind::kFile) continue;
    if (model->files_size() == kMostFiles || info.bytes > left) {
      return TooLarge(
          absl::StatusCode::kOutOfRange, from,
          absl::StrCat("has more than ", kMostFiles, " files or ", kMostBytes, " bytes"));
    }
    left -= info.bytes;
    const std::string target = absl::StrCat(tmp_dir, "/", name);
    RETURN_IF_ERROR(LinkOrCopy(fs_, source, target, info.bytes));
    v1::ModelFile* file = model->add_files();
    file->set_name(name);
    file->set_blob(absl::StrCat(model->name(), "/files/", name));
    file->set_size_bytes(static_cast<int64_t>(info.bytes));
    ASSIGN_OR_RETURN(*file->mutable_sha256(), Sha256HexOfFile(target));
    if (name == kWeights) weights_sha256 = file->sha256();
  }
  ASSIGN_OR_RETURN(const std::string card,
                   fs_.ReadFile(absl::StrCat(tmp_dir, "/", kCard), kMaxCardBytes));
  std::string stated;
  RETURN_IF_ERROR(ReadModelCard(card, model, &stated));
  if (!stated.empty() && stated != weights_sha256) {
    return ErrorWithReason(absl::StatusCode::kDataLoss, "MODEL_CORRUPT",
                           absl::StrCat(from, "/", kWeights, " has SHA-256 ", weights_sha256,
                                        ", its card says ", stated));
  }
  RETURN_IF_ERROR(fs_.SyncDir(tmp_dir));
  RETURN_IF_ERROR(fs_.Rename(tmp_dir, final_dir));
  RETURN_IF_ERROR(fs_.SyncDir(parent));
  return fs_.SyncDir(models_dir_);
}

}  // namespace skytrain
