#include "server/training/checkpoint/model_folder.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/training/checkpoint/tensor_io.h"

namespace skytrain::training {
namespace {

constexpr char kWeights[] = "/model.safetensors";
constexpr char kCard[] = "/model.json";
constexpr uint64_t kMaxCardBytes = 64 << 20;
constexpr uint64_t kMaxWeightBytes = uint64_t{64} << 30;

absl::Status Corrupt(const std::string& folder, absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "MODEL_CORRUPT",
                         absl::StrCat("model ", folder, " cannot be used: ", what));
}

}  // namespace

absl::Status WriteModelFolder(FileSystem& fs, const std::string& folder, ModelCard card,
                              absl::Span<const NamedTensor> state) {
  const std::string draft = folder + ".tmp";
  RETURN_IF_ERROR(fs.RemoveTree(draft));
  RETURN_IF_ERROR(fs.CreateDir(draft));
  // Python users see these without the card.
  const std::map<std::string, std::string> metadata = {
      {"format", "pt"},
      {"skytrain.family", card.family},
      {"skytrain.classes", absl::StrJoin(card.classes, ",")}};
  ASSIGN_OR_RETURN(card.weights, SaveTensors(fs, draft + kWeights, state, metadata));
  ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, fs.CreateExclusive(draft + kCard));
  RETURN_IF_ERROR(file->Append(ToJson(card)));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(file->Close());
  RETURN_IF_ERROR(fs.SyncDir(draft));
  RETURN_IF_ERROR(fs.Rename(draft, folder));
  return fs.SyncDir(folder.substr(0, folder.rfind('/')));
}

absl::StatusOr<LoadedModel> ReadModelFolder(FileSystem& fs, const std::string& folder) {
  const absl::StatusOr<std::string> text = fs.ReadFile(folder + kCard, kMaxCardBytes);
  if (!text.ok()) return Corrupt(folder, text.status().message());
  LoadedModel model;
  ASSIGN_OR_RETURN(model.card, ModelCardFromJson(*text));
  const absl::StatusOr<std::string> weights = fs.ReadFile(folder + kWeights, kMaxWeightBytes);
  if (!weights.ok()) return Corrupt(folder, weights.status().message());
  if (Sha256Hex(*weights) != model.card.weights.sha256) {
    return Corrupt(folder, "model.safetensors does not match the SHA-256 in model.json");
  }
  absl::StatusOr<std::vector<NamedTensor>> state = TensorsOf(*weights);
  if (!state.ok()) return Corrupt(folder, state.status().message());
  model.state = *std::move(state);
  return model;
}

}  // namespace skytrain::training
