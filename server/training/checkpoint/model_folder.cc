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

constexpr char kWeights[] = "model.safetensors";
constexpr char kCard[] = "model.json";
constexpr uint64_t kMaxCardBytes = 64 << 20;
constexpr uint64_t kMaxWeightBytes = uint64_t{64} << 30;

absl::Status Corrupt(const std::string& path, absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "MODEL_CORRUPT",
                         absl::StrCat("the model cannot be used: ", path, " ", what,
                                      ". Restore it from a backup, or train it again"));
}

absl::StatusOr<std::string> ReadWhole(FileSystem& fs, const std::string& path, uint64_t at_most) {
  absl::StatusOr<std::string> bytes = fs.ReadFile(path, at_most);
  if (bytes.ok()) return bytes;
  return Corrupt(path, absl::StrCat("cannot be read: ", bytes.status().message()));
}

absl::Status CheckSha256(const std::string& path, absl::string_view bytes,
                         const std::string& expected, absl::string_view said_by) {
  const std::string found = Sha256Hex(bytes);
  if (found == expected) return absl::OkStatus();
  return Corrupt(path, absl::StrCat("has SHA-256 ", found, " instead of ", expected, ", which ",
                                    said_by, " states"));
}

}  // namespace

absl::Status WriteModelFolder(FileSystem& fs, const std::string& folder, ModelCard card,
                              absl::Span<const NamedTensor> state, const FilesWriter& write_files) {
  const std::string draft = folder + ".tmp";
  RETURN_IF_ERROR(fs.RemoveTree(draft));
  RETURN_IF_ERROR(fs.CreateDir(draft));
  // Python users see these without the card.
  const std::map<std::string, std::string> metadata = {
      {"format", "pt"},
      {"skytrain.family", card.family},
      {"skytrain.classes", absl::StrJoin(card.classes, ",")}};
  ASSIGN_OR_RETURN(card.weights,
                   SaveTensors(fs, absl::StrCat(draft, "/", kWeights), state, metadata));
  if (write_files) {
    ASSIGN_OR_RETURN(card.files, write_files(draft));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                   fs.CreateExclusive(absl::StrCat(draft, "/", kCard)));
  RETURN_IF_ERROR(file->Append(ToJson(card)));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(file->Close());
  RETURN_IF_ERROR(fs.SyncDir(draft));
  RETURN_IF_ERROR(fs.Rename(draft, folder));
  return fs.SyncDir(folder.substr(0, folder.rfind('/')));
}

absl::StatusOr<LoadedModel> ReadModelFolder(FileSystem& fs, const std::string& folder,
                                            const std::map<std::string, std::string>& sha256) {
  const std::string card_path = absl::StrCat(folder, "/", kCard);
  const std::string weights_path = absl::StrCat(folder, "/", kWeights);
  constexpr absl::string_view kPublication = "its publication";
  LoadedModel model;
  ASSIGN_OR_RETURN(const std::string text, ReadWhole(fs, card_path, kMaxCardBytes));
  if (const auto known = sha256.find(kCard); known != sha256.end()) {
    RETURN_IF_ERROR(CheckSha256(card_path, text, known->second, kPublication));
  }
  absl::StatusOr<ModelCard> card = ModelCardFromJson(text);
  if (!card.ok()) return Corrupt(card_path, absl::StrCat("is damaged: ", card.status().message()));
  model.card = *std::move(card);
  ASSIGN_OR_RETURN(const std::string weights, ReadWhole(fs, weights_path, kMaxWeightBytes));
  const auto known = sha256.find(kWeights);
  RETURN_IF_ERROR(known != sha256.end()
                      ? CheckSha256(weights_path, weights, known->second, kPublication)
                      : CheckSha256(weights_path, weights, model.card.weights.sha256, kCard));
  absl::StatusOr<std::vector<NamedTensor>> state = TensorsOf(weights);
  if (!state.ok())
    return Corrupt(weights_path, absl::StrCat("is damaged: ", state.status().message()));
  model.state = *std::move(state);
  return model;
}

}  // namespace skytrain::training
