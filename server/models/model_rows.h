#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/connection.h"
#include "skytrain/v1/model.pb.h"

namespace skytrain {

// Rows of the table `models`.
struct ModelRow {
  std::string model;
  int version = 0;
  std::string job_uid;
  std::string owner;
  int64_t create_time = 0;  // Microseconds since 1970.
  std::string proto;        // skytrain.v1.Model.
  bool damaged = false;     // As read: its checksum is wrong.
};

// What the row says. DATA_LOSS (STORE_CORRUPT).
absl::StatusOr<v1::Model> ModelOf(const ModelRow& row);

// ALREADY_EXISTS when the version is taken or the job has published before.
absl::Status InsertModel(Connection& connection, const ModelRow& row);
// version 0: the newest. `owner` nullopt: of anybody.
absl::StatusOr<std::optional<ModelRow>> FindModel(Connection& connection, absl::string_view model,
                                                  int version,
                                                  const std::optional<std::string>& owner);
// Any version of the model whose job_uid does not begin with `job_uid`, or whose owner is not
// `owner`.
absl::StatusOr<std::optional<ModelRow>> FindVersionBut(Connection& connection,
                                                       absl::string_view model,
                                                       absl::string_view job_uid,
                                                       absl::string_view owner);
absl::StatusOr<std::optional<ModelRow>> FindModelOfJob(Connection& connection,
                                                       absl::string_view job_uid);

// The place of a row in the list "newest first".
struct ModelPosition {
  int64_t create_time = 0;
  std::string model;
  int version = 0;
};
// Newest first, after `after` (nullopt: from the start).
absl::StatusOr<std::vector<ModelRow>> ListModels(Connection& connection,
                                                 const std::optional<ModelPosition>& after,
                                                 int limit,
                                                 const std::optional<std::string>& owner);
// All names, for suggestions; at most 1000.
absl::StatusOr<std::vector<std::string>> ModelNames(Connection& connection,
                                                    const std::optional<std::string>& owner);

// The row, the aliases that stand for its version, and its number, which is not used again.
absl::Status DeleteModel(Connection& connection, absl::string_view model, int version);
absl::StatusOr<int64_t> CountVersions(Connection& connection, absl::string_view model,
                                      const std::optional<std::string>& owner);
// The highest version of the model that there was; 0: none yet.
absl::StatusOr<int> LastVersion(Connection& connection, absl::string_view model);

// Rows of the table `model_aliases`.
struct ModelAlias {
  std::string alias;
  int version = 0;
};
// Inserts or moves.
absl::Status PutModelAlias(Connection& connection, absl::string_view model,
                           const ModelAlias& alias);
absl::Status DeleteModelAlias(Connection& connection, absl::string_view model,
                              absl::string_view alias);
// Of all versions of `owner` (nullopt: of anybody), sorted by name; those whose checksum is wrong
// are left out.
absl::StatusOr<std::vector<ModelAlias>> ModelAliases(Connection& connection,
                                                     absl::string_view model,
                                                     const std::optional<std::string>& owner);

}  // namespace skytrain
