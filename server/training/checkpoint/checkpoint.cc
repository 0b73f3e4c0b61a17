#include "server/training/checkpoint/checkpoint.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"
#include "server/training/checkpoint/model_card.h"
#include "server/training/checkpoint/tensor_io.h"

namespace skytrain::training {
namespace {

using Json = nlohmann::json;

constexpr char kStateFile[] = "state.json";
constexpr char kModelFile[] = "model.safetensors";
constexpr char kOptimizerFile[] = "optimizer.safetensors";
constexpr char kAverageFile[] = "average.safetensors";
constexpr char kBestFile[] = "best.safetensors";
constexpr uint64_t kMaxStateBytes = 16 << 20;
constexpr uint64_t kMaxTensorBytes = uint64_t{64} << 30;

absl::Status Corrupt(const std::string& path, absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "CHECKPOINT_CORRUPT",
                         absl::StrCat("checkpoint ", path, " cannot be used: ", what));
}

// The step of a folder name "step-N"; -1 for any other name.
int64_t StepOf(absl::string_view name) {
  int64_t step = -1;
  if (!absl::StartsWith(name, "step-") || !absl::SimpleAtoi(name.substr(5), &step)) return -1;
  return step;
}

Json ToJson(const Checkpoint& checkpoint, const std::map<std::string, FileDigest>& files) {
  const TrainingState& state = checkpoint.state;
  const RunIdentity& identity = checkpoint.identity;
  Json json = {{"step", state.step},
               {"epoch", state.epoch},
               {"batches", state.batches},
               {"epoch_loss_sum", state.epoch_loss_sum},
               {"epoch_metric_sum", state.epoch_metric_sum},
               {"epoch_samples", state.epoch_samples},
               {"averaged_epochs", state.averaged_epochs},
               {"build", identity.build},
               {"instruction_set", identity.instruction_set},
               {"precision", identity.precision},
               {"device", identity.device},
               {"seed", identity.seed},
               {"threads", identity.threads},
               {"world_size", identity.world_size}};
  if (state.best) {
    json["best"] = {{"step", state.best->step},
                    {"epoch", state.best->epoch},
                    {"value", state.best->value},
                    {"validation", ReportToJson(state.best->validation)}};
  }
  if (state.gain) json["gain"] = {{"epoch", state.gain->epoch}, {"value", state.gain->value}};
  for (const auto& [name, digest] : files) {
    json["files"][name] = {{"sha256", digest.sha256}, {"size_bytes", digest.size_bytes}};
  }
  return json;
}

// Types are checked by nlohmann, which throws; `LoadState` catches that in one place.
Checkpoint FromJson(const Json& json) {
  Checkpoint checkpoint;
  TrainingState& state = checkpoint.state;
  state.step = json.at("step").get<int64_t>();
  state.epoch = json.at("epoch").get<int>();
  state.batches = json.at("batches").get<int64_t>();
  state.epoch_loss_sum = json.at("epoch_loss_sum").get<double>();
  state.epoch_metric_sum = json.at("epoch_metric_sum").get<double>();
  state.epoch_samples = json.at("epoch_samples").get<int64_t>();
  state.averaged_epochs = json.value("averaged_epochs", 0);  // Older checkpoints have none.
  RunIdentity& identity = checkpoint.identity;
  identity.build = json.at("build").get<std::string>();
  identity.instruction_set = json.at("instruction_set").get<std::string>();
  identity.precision = json.at("precision").get<std::string>();
  identity.device = json.at("device").get<std::string>();
  identity.seed = json.at("seed").get<uint64_t>();
  identity.threads = json.at("threads").get<int>();
  identity.world_size = json.at("world_size").get<int>();
  if (json.contains("best")) {
    const Json& best = json["best"];
    state.best = BestSoFar{best.at("step").get<int64_t>(), best.at("epoch").get<int>(),
                           best.at("value").get<double>(), ReportFromJson(best.at("validation"))};
  }
  if (json.contains("gain")) {
    state.gain =
        LastGain{json["gain"].at("epoch").get<int>(), json["gain"].at("value").get<double>()};
  }
  return checkpoint;
}

struct LoadedState {
  Checkpoint checkpoint;
  std::map<std::string, FileDigest> files;
};

absl::StatusOr<LoadedState> LoadState(FileSystem& fs, const std::string& path) {
  const absl::StatusOr<std::string> text =
      fs.ReadFile(absl::StrCat(path, "/", kStateFile), kMaxStateBytes);
  if (!text.ok()) return Corrupt(path, text.status().message());
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("state") || !json.contains("sha256") ||
      json["sha256"] != Sha256Hex(json["state"].dump())) {
    return Corrupt(path, "state.json is damaged");
  }
  try {
    LoadedState loaded{FromJson(json["state"]), {}};
    for (const auto& [name, entry] : json["state"].at("files").items()) {
      loaded.files[name] = {entry.at("sha256").get<std::string>(),
                            entry.at("size_bytes").get<int64_t>()};
    }
    return loaded;
  } catch (const Json::exception& error) {
    return Corrupt(path, absl::StrCat("state.json has an unknown layout: ", error.what()));
  }
}

absl::StatusOr<std::string> ReadChecked(FileSystem& fs, const std::string& path,
                                        const std::string& name, const FileDigest& digest) {
  absl::StatusOr<std::string> content = fs.ReadFile(absl::StrCat(path, "/", name), kMaxTensorBytes);
  if (!content.ok()) return Corrupt(path, content.status().message());
  if (static_cast<int64_t>(content->size()) != digest.size_bytes) {
    return Corrupt(path, absl::StrCat(name, " has ", content->size(), " bytes instead of ",
                                      digest.size_bytes));
  }
  if (Sha256Hex(*content) != digest.sha256) {
    return Corrupt(path, absl::StrCat(name, " does not match its SHA-256"));
  }
  return content;
}

}  // namespace

CheckpointWriter::CheckpointWriter(FileSystem& fs, std::string folder, int keep)
    : fs_(fs), folder_(std::move(folder)), keep_(std::max(keep, 1)) {}

absl::StatusOr<SavedCheckpoint> CheckpointWriter::WriteFiles(const Checkpoint& checkpoint,
                                                             const std::string& path) {
  SavedCheckpoint saved;
  std::map<std::string, FileDigest> files;
  const auto save = [&](const char* name, const std::vector<NamedTensor>& tensors) {
    const absl::StatusOr<FileDigest> digest =
        SaveTensors(fs_, absl::StrCat(path, "/", name), tensors, {{"format", "pt"}});
    if (digest.ok()) {
      files[name] = *digest;
      saved.size_bytes += digest->size_bytes;
    }
    return digest.status();
  };
  RETURN_IF_ERROR(fs_.CreateDir(path));
  RETURN_IF_ERROR(save(kModelFile, checkpoint.model));
  RETURN_IF_ERROR(save(kOptimizerFile, checkpoint.optimizer));
  if (!checkpoint.average.empty()) RETURN_IF_ERROR(save(kAverageFile, checkpoint.average));
  if (!checkpoint.best.empty()) RETURN_IF_ERROR(save(kBestFile, checkpoint.best));
  const Json state = ToJson(checkpoint, files);
  const std::string text = Json{{"state", state}, {"sha256", Sha256Hex(state.dump())}}.dump(1);
  ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                   fs_.CreateExclusive(absl::StrCat(path, "/", kStateFile)));
  RETURN_IF_ERROR(file->Append(text));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(file->Close());
  saved.size_bytes += static_cast<int64_t>(text.size());
  saved.model = files[kModelFile];
  return saved;
}

absl::StatusOr<SavedCheckpoint> CheckpointWriter::Save(const Checkpoint& checkpoint) {
  const std::string path = absl::StrCat(folder_, "/step-", checkpoint.state.step);
  const std::string draft = path + ".tmp";
  if (!fs_.Exists(folder_)) RETURN_IF_ERROR(fs_.CreateDir(folder_));
  RETURN_IF_ERROR(fs_.RemoveTree(draft));
  absl::StatusOr<SavedCheckpoint> saved = WriteFiles(checkpoint, draft);
  if (saved.ok()) {
    absl::Status published = fs_.SyncDir(draft);
    // The same step again (a stop while validating): the newer state replaces it.
    if (published.ok()) published = fs_.RemoveTree(path);
    if (published.ok()) published = fs_.Rename(draft, path);
    if (published.ok()) published = fs_.SyncDir(folder_);
    if (!published.ok()) saved = published;
  }
  if (!saved.ok()) {
    // Frees the space on a full disk; the first error is the one worth telling.
    (void)fs_.RemoveTree(draft);
    return saved.status();
  }
  saved->path = path;
  RETURN_IF_ERROR(RemoveOld(checkpoint.state.best ? checkpoint.state.best->step : -1));
  return saved;
}

absl::Status CheckpointWriter::RemoveOld(int64_t best_step) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.ListDir(folder_));
  std::vector<int64_t> steps;
  for (const std::string& name : names) {
    if (const int64_t step = StepOf(name); step >= 0) steps.push_back(step);
  }
  std::sort(steps.rbegin(), steps.rend());
  for (size_t i = keep_; i < steps.size(); ++i) {
    if (steps[i] == best_step) continue;
    RETURN_IF_ERROR(fs_.RemoveTree(absl::StrCat(folder_, "/step-", steps[i])));
  }
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> LoadCheckpoint(FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(LoadedState loaded, LoadState(fs, path));
  const auto load = [&](const std::string& name, std::vector<NamedTensor>& tensors) {
    const auto digest = loaded.files.find(name);
    if (digest == loaded.files.end()) return Corrupt(path, absl::StrCat("it has no ", name));
    const absl::StatusOr<std::string> content = ReadChecked(fs, path, name, digest->second);
    if (!content.ok()) return content.status();
    absl::StatusOr<std::vector<NamedTensor>> read = TensorsOf(*content);
    if (!read.ok()) return Corrupt(path, absl::StrCat(name, ": ", read.status().message()));
    tensors = *std::move(read);
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(load(kModelFile, loaded.checkpoint.model));
  RETURN_IF_ERROR(load(kOptimizerFile, loaded.checkpoint.optimizer));
  if (loaded.files.contains(kAverageFile)) {
    RETURN_IF_ERROR(load(kAverageFile, loaded.checkpoint.average));
  }
  if (loaded.files.contains(kBestFile)) RETURN_IF_ERROR(load(kBestFile, loaded.checkpoint.best));
  return std::move(loaded.checkpoint);
}

absl::StatusOr<NewestCheckpoint> FindNewestCheckpoint(FileSystem& fs, const std::string& folder) {
  NewestCheckpoint newest;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.ListDir(folder));
  std::vector<int64_t> steps;
  for (const std::string& name : names) {
    if (const int64_t step = StepOf(name); step >= 0) steps.push_back(step);
  }
  std::sort(steps.rbegin(), steps.rend());
  for (const int64_t step : steps) {
    const std::string path = absl::StrCat(folder, "/step-", step);
    const absl::StatusOr<LoadedState> loaded = LoadState(fs, path);
    absl::Status whole = loaded.status();
    if (loaded.ok()) {
      for (const auto& [name, digest] : loaded->files) {
        if (whole.ok()) whole = ReadChecked(fs, path, name, digest).status();
      }
    }
    if (whole.ok()) {
      newest.path = path;
      return newest;
    }
    newest.skipped.emplace_back(whole.message());
  }
  return newest;
}

}  // namespace skytrain::training
