#include "server/datasets/inspector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/errors.h"
#include "common/file/file_identity.h"
#include "common/file/file_system.h"
#include "common/process/run_as.h"
#include "common/status_macros.h"
#include "server/datasets/fingerprint.h"
#include "server/helper/helper_process.h"
#include "skytrain/v1/dataset_service.pb.h"

namespace skytrain {
namespace {

constexpr char kWhat[] = "the inspection of the data set";

absl::Status ProbeFailed(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInternal, "PROBE_FAILED",
                         absl::StrCat(kWhat, " failed: ", what));
}

// With the rights of `account`, so that it tells nothing of what the user may not see.
absl::StatusOr<std::string> FingerprintFor(const Account* account, const v1::Data& data) {
  if (account == nullptr) return FingerprintOf(data);
  const ScopedFileIdentity identity(account->ids);
  RETURN_IF_ERROR(identity.status());
  return FingerprintOf(data);
}

// What people know it by.
const std::string& MainPath(const v1::Data& data) {
  return data.has_files() ? data.files().table() : data.dataset();
}

// People know a file by the name that they gave in `data`, not by where it lies, as in `files`.
absl::Status AsNamed(const absl::Status& status, const v1::Data& data, const v1::Data& files) {
  const std::string &name = MainPath(data), &path = MainPath(files);
  if (name == path) return status;
  absl::Status renamed(status.code(), absl::StrReplaceAll(status.message(), {{path, name}}));
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { renamed.SetPayload(url, payload); });
  return renamed;
}

absl::StatusOr<v1::DatasetManifest> ManifestIn(const absl::StatusOr<std::string>& answer) {
  RETURN_IF_ERROR(answer.status());
  v1::DatasetManifest manifest;
  if (!manifest.ParseFromString(*answer)) return ProbeFailed("its answer cannot be read");
  return manifest;
}

}  // namespace

Inspector::Inspector(Options options) : options_(std::move(options)) {}

void Inspector::Shutdown() { stop_.Raise(); }

absl::StatusOr<Inspector::Surroundings> Inspector::Locate(const std::string& owner,
                                                          v1::Data& data) {
  Surroundings surroundings;
  surroundings.roots = options_.data_roots;
  if (options_.account_of) {
    ASSIGN_OR_RETURN(surroundings.account, options_.account_of(owner));
  }
  if (options_.locate) RETURN_IF_ERROR(options_.locate(owner, data, surroundings.roots));
  return surroundings;
}

absl::StatusOr<v1::DatasetManifest> Inspector::Inspect(const v1::Data& data, const v1::Task& task,
                                                       const std::string& owner, bool unlabelled) {
  v1::Data files = data;
  ASSIGN_OR_RETURN(const Surroundings surroundings, Locate(owner, files));
  v1::InspectDatasetRequest request;
  *request.mutable_data() = files;
  // The same whoever asks.
  if (!unlabelled) *request.mutable_task() = task;
  request.set_unlabelled(unlabelled);
  Result result = InspectFiles(std::move(request), surroundings);
  if (!result.ok()) return AsNamed(result.status(), data, files);
  if (result->path() == MainPath(files)) result->set_path(MainPath(data));
  return result;
}

absl::StatusOr<v1::PreviewDatasetResponse> Inspector::Preview(
    const v1::PreviewDatasetRequest& request, const std::string& owner) {
  v1::PreviewDatasetRequest of_files = request;
  ASSIGN_OR_RETURN(const Surroundings surroundings, Locate(owner, *of_files.mutable_data()));
  const auto answer = Probe(of_files, {"--preview"}, surroundings);
  if (!answer.ok()) return AsNamed(answer.status(), request.data(), of_files.data());
  v1::PreviewDatasetResponse response;
  if (!response.ParseFromString(*answer)) return ProbeFailed("its answer cannot be read");
  return response;
}

Inspector::Result Inspector::InspectFiles(v1::InspectDatasetRequest request,
                                          const Surroundings& surroundings) {
  const v1::Data data = request.data();
  const Account* const account =
      surroundings.account.has_value() ? &*surroundings.account : nullptr;
  v1::Data source;  // What the manifest depends on.
  if (data.has_dataset()) source.set_dataset(data.dataset());
  if (data.has_files()) *source.mutable_files() = data.files();
  source.set_unmatched(data.unmatched());
  source.set_corrupt(data.corrupt());
  const v1::Splits& splits = data.splits();
  if (!splits.group().empty()) source.mutable_splits()->set_group(splits.group());
  if (splits.train().has_table()) *source.mutable_splits()->mutable_train() = splits.train();
  if (splits.validation().has_table()) {
    *source.mutable_splits()->mutable_validation() = splits.validation();
  }
  if (splits.test().has_table()) *source.mutable_splits()->mutable_test() = splits.test();
  if (data.image().has_stretch()) {
    *source.mutable_image()->mutable_stretch() = data.image().stretch();  // Which bands are needed.
  }
  // What one user sees of the files another one may not, so each has manifests of his own.
  const std::string user = account == nullptr ? "" : FormatRunAs(account->ids);
  ASSIGN_OR_RETURN(const std::string fingerprint, FingerprintFor(account, source));
  *request.mutable_data() = source;
  const std::string key =
      absl::StrCat(fingerprint, request.SerializeAsString(), std::string(1, '\0'), user);

  std::shared_ptr<Flight> flight;
  {
    MutexLock lock(mu_);
    if (const auto found = remembered_.find(key); found != remembered_.end()) {
      found->second.last_use = ++uses_;
      return found->second.manifest;
    }
    if (const auto found = flights_.find(key); found != flights_.end()) {
      flight = found->second;
      while (!flight->done) landed_.Wait(mu_);
      return flight->result;
    }
    flight = flights_[key] = std::make_shared<Flight>();
  }
  Result result = ManifestIn(Probe(request, {}, surroundings));
  // A set that changed while it was looked at is not remembered under its old fingerprint.
  const bool unchanged = FingerprintFor(account, source).value_or("") == fingerprint;
  MutexLock lock(mu_);
  flight->result = result;
  flight->done = true;
  flights_.erase(key);
  if (result.ok() && unchanged) Remember(key, *result);
  landed_.NotifyAll();
  return result;
}

void Inspector::Remember(const std::string& key, const v1::DatasetManifest& manifest) {
  if (remembered_.size() >= options_.max_remembered) {
    const auto oldest = std::min_element(
        remembered_.begin(), remembered_.end(),
        [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
    remembered_.erase(oldest);
  }
  remembered_[key] = {manifest, ++uses_};
}

absl::StatusOr<std::string> Inspector::Probe(const google::protobuf::Message& request,
                                             const std::vector<std::string>& flags,
                                             const Surroundings& surroundings) {
  FileSystem& fs = *options_.fs;
  Helper helper;
  helper.what = kWhat;
  helper.failed = "PROBE_FAILED";
  helper.timed_out = "PROBE_TIMEOUT";
  helper.fs = &fs;
  helper.timeout = options_.timeout;
  if (surroundings.account.has_value()) helper.account = &*surroundings.account;
  ASSIGN_OR_RETURN(const std::string stem, HelperPath(fs, options_.scratch_dir, helper.account));
  helper.out_path = stem + ".out";
  helper.log_path = stem + ".log";
  helper.argv = {options_.probe_binary, "--request", stem + ".request", "--out", helper.out_path};
  helper.argv.insert(helper.argv.end(), flags.begin(), flags.end());
  for (const std::string& root : surroundings.roots) {
    helper.argv.push_back("--root");
    helper.argv.push_back(root);
  }
  RETURN_IF_ERROR(WriteFileAtomically(fs, stem + ".request", request.SerializeAsString()));
  absl::StatusOr<std::string> answer = RunHelper(helper, stop_);
  for (const char* suffix : {".request", ".out", ".log"}) fs.Remove(stem + suffix).IgnoreError();
  return answer;
}

}  // namespace skytrain
