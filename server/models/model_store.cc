#include "server/models/model_store.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/errors.h"
#include "common/page.h"
#include "common/status_macros.h"
#include "server/models/model_card.h"

namespace skytrain {
namespace {

constexpr char kCard[] = "model.json";
constexpr uint64_t kMaxCardBytes = 4 << 20;  // What a message to a client may have.
constexpr size_t kMostAliases = 100;         // Of one model.
constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 1000;

absl::Status NotOwner(const ModelRow& row) {
  return ErrorWithReason(
      absl::StatusCode::kPermissionDenied, "NOT_OWNER",
      absl::StrCat("model ", ModelName{row.model, row.version, ""}.ToString(), " belongs to ",
                   row.owner, ": only they or an admin may change it"));
}

absl::Status NotThere(const ModelName& name, absl::string_view hint) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "MODEL_NOT_FOUND",
                         absl::StrCat("there is no model ", name.ToString(), hint));
}

// 0: none.
int VersionOf(absl::string_view alias, const std::vector<ModelAlias>& aliases) {
  for (const ModelAlias& known : aliases) {
    if (known.alias == alias) return known.version;
  }
  return 0;
}

void AppendAlias(std::string* out, const ModelAlias& alias) { out->append(alias.alias); }

void AddAliases(const std::vector<ModelAlias>& aliases, int version, v1::Model& model) {
  for (const ModelAlias& alias : aliases) {
    if (alias.version == version) model.add_aliases(alias.alias);
  }
}

std::string TokenOf(const ModelRow& row) {
  return absl::StrJoin({absl::StrCat(row.create_time), row.model, absl::StrCat(row.version)}, "/");
}

absl::StatusOr<std::optional<ModelPosition>> PositionOf(const std::string& token) {
  if (token.empty()) return std::optional<ModelPosition>();
  const std::vector<std::string> parts = absl::StrSplit(token, '/');
  ModelPosition position;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &position.create_time) ||
      !absl::SimpleAtoi(parts[2], &position.version)) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_PAGE_TOKEN",
                           "page_token is not one that ListModels gave");
  }
  position.model = parts[1];
  return std::optional<ModelPosition>(std::move(position));
}

}  // namespace

ModelStore::ModelStore(std::string models_dir, Database& database, FileSystem& fs, Clock& clock,
                       bool visible_to_all)
    : models_dir_(std::move(models_dir)),
      database_(database),
      fs_(fs),
      clock_(clock),
      visible_to_all_(visible_to_all) {}

std::optional<std::string> ModelStore::OwnerFor(const Viewer& viewer) const {
  return viewer.admin || visible_to_all_ ? std::nullopt : std::optional(viewer.owner);
}

absl::StatusOr<ModelStore::Found> ModelStore::Find(const ModelName& name, const Viewer& viewer) {
  const std::optional<std::string> owner = OwnerFor(viewer);
  std::optional<ModelRow> row;
  Found found;
  std::vector<std::string> names;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(found.aliases, ModelAliases(connection, name.model, owner));
    int version = name.version;
    if (!name.alias.empty()) version = VersionOf(name.alias, found.aliases);
    if (name.alias.empty() || version > 0) {
      ASSIGN_OR_RETURN(row, FindModel(connection, name.model, version, owner));
    }
    if (!row.has_value()) {
      ASSIGN_OR_RETURN(names, ModelNames(connection, owner));
    }
    return absl::OkStatus();
  }));
  if (row.has_value()) {
    found.row = *std::move(row);
    return found;
  }
  const bool known = std::find(names.begin(), names.end(), name.model) != names.end();
  std::string hint;
  if (known && !name.alias.empty()) {
    hint = found.aliases.empty() ? "; the model has no alias"
                                 : absl::StrCat("; its aliases are ",
                                                absl::StrJoin(found.aliases, ", ", AppendAlias));
  } else if (const std::string nearest = NearestName(name.model, names);
             !known && !nearest.empty()) {
    hint = absl::StrCat("; did you mean '", nearest, "'?");
  }
  return NotThere(name, hint);
}

absl::StatusOr<ModelStore::Found> ModelStore::FindToChange(const ModelName& name,
                                                           const Viewer& viewer) {
  ASSIGN_OR_RETURN(Found found, Find(name, viewer));
  if (found.row.owner == viewer.owner || viewer.admin) return found;
  return NotOwner(found.row);
}

absl::StatusOr<v1::Model> ModelStore::Get(absl::string_view name, const Viewer& viewer) {
  ASSIGN_OR_RETURN(const ModelName parsed, ParseModelName(name));
  ASSIGN_OR_RETURN(const Found found, Find(parsed, viewer));
  ASSIGN_OR_RETURN(v1::Model model, ModelOf(found.row));
  AddAliases(found.aliases, found.row.version, model);
  return model;
}

absl::StatusOr<v1::Model> ModelStore::SetAlias(absl::string_view name, const std::string& alias,
                                               const Viewer& viewer) {
  RETURN_IF_ERROR(ValidateModelAlias(alias));
  ASSIGN_OR_RETURN(const ModelName parsed, ParseModelName(name));
  ASSIGN_OR_RETURN(const Found found, FindToChange(parsed, viewer));
  ASSIGN_OR_RETURN(v1::Model model, ModelOf(found.row));
  const std::string& id = found.row.model;
  std::vector<ModelAlias> aliases;
  RETURN_IF_ERROR(
      database_.Write(Database::Priority::kControl, [&](Connection& connection) -> absl::Status {
        // It may have been deleted meanwhile.
        ASSIGN_OR_RETURN(const auto row,
                         FindModel(connection, id, found.row.version, std::nullopt));
        if (!row.has_value()) return NotThere(parsed, "; it was deleted just now");
        ASSIGN_OR_RETURN(aliases, ModelAliases(connection, id, std::nullopt));
        // A job of somebody else had the name before: that version's aliases are theirs.
        if (const int before = VersionOf(alias, aliases); before > 0 && !viewer.admin) {
          ASSIGN_OR_RETURN(const auto other, FindModel(connection, id, before, std::nullopt));
          if (other.has_value() && other->owner != viewer.owner) return NotOwner(*other);
        }
        RETURN_IF_ERROR(PutModelAlias(connection, id, {alias, found.row.version}));
        ASSIGN_OR_RETURN(aliases, ModelAliases(connection, id, std::nullopt));
        if (aliases.size() <= kMostAliases) return absl::OkStatus();
        return ErrorWithReason(absl::StatusCode::kResourceExhausted, "TOO_MANY_ALIASES",
                               absl::StrCat("a model may have ", kMostAliases, " aliases, and ", id,
                                            " has them: delete some"));
      }));
  AddAliases(aliases, found.row.version, model);
  return model;
}

absl::Status ModelStore::DeleteAlias(absl::string_view name, const Viewer& viewer) {
  ASSIGN_OR_RETURN(const ModelName parsed, ParseModelName(name));
  if (parsed.alias.empty()) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_NAME",
                           absl::StrCat("'", name, "' names no alias: write NAME@ALIAS"));
  }
  RETURN_IF_ERROR(FindToChange(parsed, viewer).status());
  return database_.Write(Database::Priority::kControl, [&](Connection& connection) {
    return DeleteModelAlias(connection, parsed.model, parsed.alias);
  });
}

absl::Status ModelStore::Delete(absl::string_view name, const Viewer& viewer,
                                const UserOf& user_of) {
  ASSIGN_OR_RETURN(ModelName parsed, ParseModelName(name));
  MutexLock lock(publish_mu_);
  ASSIGN_OR_RETURN(const Found found, FindToChange(parsed, viewer));
  if (parsed.version == 0 && parsed.alias.empty()) {
    int64_t versions = 0;
    RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(versions, CountVersions(connection, parsed.model, OwnerFor(viewer)));
      return absl::OkStatus();
    }));
    if (versions > 1) {
      return ErrorWithReason(
          absl::StatusCode::kFailedPrecondition, "VERSION_NEEDED",
          absl::StrCat("model ", parsed.model, " has ", versions, " versions: say which, as in ",
                       parsed.model, "@", found.row.version));
    }
  }
  parsed = ModelName{found.row.model, found.row.version, ""};
  ASSIGN_OR_RETURN(const std::string user, user_of(parsed.ToString()));
  if (!user.empty()) {
    return PreconditionError("MODEL_IN_USE",
                             absl::StrCat("model ", parsed.ToString(), " is needed by ", user,
                                          ", which is not over: wait for it, or cancel it"),
                             {{"JOB_STATE", user, "not over"}});
  }
  RETURN_IF_ERROR(database_.Write(Database::Priority::kControl, [&](Connection& connection) {
    return DeleteModel(connection, parsed.model, parsed.version);
  }));
  // After the row: a row always has its files.
  return fs_.RemoveTree(absl::StrCat(models_dir_, "/", parsed.model, "/", parsed.version));
}

absl::StatusOr<v1::ListModelsResponse> ModelStore::List(const v1::ListModelsRequest& request,
                                                        const Viewer& viewer) {
  ASSIGN_OR_RETURN(const auto after, PositionOf(request.page_token()));
  const int limit =
      request.page_size() > 0 ? std::min(request.page_size(), kMaxPageSize) : kDefaultPageSize;
  std::vector<ModelRow> rows;
  std::map<std::string, std::vector<ModelAlias>> aliases;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(rows, ListModels(connection, after, limit + 1, OwnerFor(viewer)));
    for (const ModelRow& row : rows) {
      if (aliases.count(row.model) > 0) continue;
      ASSIGN_OR_RETURN(aliases[row.model], ModelAliases(connection, row.model, OwnerFor(viewer)));
    }
    return absl::OkStatus();
  }));
  v1::ListModelsResponse response;
  int64_t bytes = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const ModelRow& row = rows[i];
    bytes += static_cast<int64_t>(row.proto.size());
    // One row more than asked for tells that there is another page.
    if (i == static_cast<size_t>(limit) || (bytes > kMaxPageBytes && response.models_size() > 0)) {
      return response;
    }
    auto model = ModelOf(row);
    if (model.ok()) {  // A damaged one hides no other.
      AddAliases(aliases[row.model], row.version, *model);
      *response.add_models() = *std::move(model);
    }
    response.set_next_page_token(TokenOf(row));
  }
  response.clear_next_page_token();
  return response;
}

absl::StatusOr<v1::Experiment> ModelStore::ExperimentOf(const v1::Model& model) const {
  const std::string path = absl::StrCat(DirOf(model), "/", kCard);
  const absl::StatusOr<std::string> card = fs_.ReadFile(path, kMaxCardBytes);
  absl::StatusOr<v1::Experiment> experiment =
      card.ok() ? ReadExperimentOfCard(*card) : absl::StatusOr<v1::Experiment>(card.status());
  if (experiment.ok()) return experiment;
  return ErrorWithReason(
      absl::StatusCode::kDataLoss, "MODEL_CORRUPT",
      absl::StrCat("the model cannot be used: ", path, ": ", experiment.status().message(),
                   ". Restore it from a backup, or train it again"));
}

std::string ModelStore::DirOf(const v1::Model& model) const {
  const absl::StatusOr<ModelName> name = ParseModelName(model.name());
  return name.ok() ? absl::StrCat(models_dir_, "/", name->model, "/", name->version) : "";
}

}  // namespace skytrain
