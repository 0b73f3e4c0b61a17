#include "server/models/model_rows.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/store/row_crc.h"

namespace skytrain {
namespace {

RowCrc CrcOf(const ModelRow& row) {
  RowCrc crc;
  crc.Add(row.model).Add(row.version).Add(row.job_uid).Add(row.owner);
  return crc.Add(row.create_time).Add(row.proto);
}

RowCrc CrcOf(absl::string_view model, const ModelAlias& alias) {
  RowCrc crc;
  return crc.Add(model).Add(alias.alias).Add(alias.version);
}

ModelRow RowOf(const Statement& statement) {
  ModelRow row;
  row.model = std::string(statement.Text(0));
  row.version = static_cast<int>(statement.Int(1));
  row.job_uid = std::string(statement.Text(2));
  row.owner = std::string(statement.Text(3));
  row.create_time = statement.Int(4);
  row.proto = std::string(statement.Blob(5));
  row.damaged = CrcOf(row).Differs(statement, 6);
  return row;
}

absl::StatusOr<std::optional<ModelRow>> FirstRow(Statement& statement) {
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return std::optional<ModelRow>();
  return std::optional<ModelRow>(RowOf(statement));
}

}  // namespace

absl::StatusOr<v1::Model> ModelOf(const ModelRow& row) {
  v1::Model model;
  if (row.damaged || !model.ParseFromString(row.proto)) {
    return ErrorWithReason(absl::StatusCode::kDataLoss, "STORE_CORRUPT",
                           absl::StrCat("the row of model ", row.model, "@", row.version,
                                        " in the database is damaged"));
  }
  return model;
}

absl::Status InsertModel(Connection& connection, const ModelRow& row) {
  ASSIGN_OR_RETURN(
      Statement insert,
      connection.Prepare("INSERT INTO models "
                         "(model, version, job_uid, owner, create_time, proto, crc32c) "
                         "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  return insert.BindText(1, row.model)
      .Bind(2, row.version)
      .BindText(3, row.job_uid)
      .BindText(4, row.owner)
      .Bind(5, row.create_time)
      .BindBlob(6, row.proto)
      .Bind(7, CrcOf(row).masked())
      .Run();
}

absl::StatusOr<std::optional<ModelRow>> FindModel(Connection& connection, absl::string_view model,
                                                  int version,
                                                  const std::optional<std::string>& owner) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare(
          "SELECT model, version, job_uid, owner, create_time, proto, crc32c FROM models "
          "WHERE model = ?1 AND (?2 = 0 OR version = ?2) AND (?3 IS NULL OR owner = ?3) "
          "ORDER BY version DESC LIMIT 1"));
  select.BindText(1, model).Bind(2, version);
  if (owner.has_value()) select.BindText(3, *owner);
  return FirstRow(select);
}

absl::StatusOr<std::optional<ModelRow>> FindVersionBut(Connection& connection,
                                                       absl::string_view model,
                                                       absl::string_view job_uid,
                                                       absl::string_view owner) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare(
          "SELECT model, version, job_uid, owner, create_time, proto, crc32c FROM models "
          "WHERE model = ?1 AND (substr(job_uid, 1, length(?2)) <> ?2 OR owner <> ?3) "
          "ORDER BY version DESC LIMIT 1"));
  select.BindText(1, model).BindText(2, job_uid).BindText(3, owner);
  return FirstRow(select);
}

absl::StatusOr<std::optional<ModelRow>> FindModelOfJob(Connection& connection,
                                                       absl::string_view job_uid) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare(
          "SELECT model, version, job_uid, owner, create_time, proto, crc32c FROM models "
          "WHERE job_uid = ?1"));
  select.BindText(1, job_uid);
  return FirstRow(select);
}

absl::StatusOr<std::vector<ModelRow>> ListModels(Connection& connection,
                                                 const std::optional<ModelPosition>& after,
                                                 int limit,
                                                 const std::optional<std::string>& owner) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare(
          "SELECT model, version, job_uid, owner, create_time, proto, crc32c FROM models "
          "WHERE (create_time, model, version) < (?1, ?2, ?3) AND (?5 IS NULL OR owner = ?5) "
          "ORDER BY create_time DESC, model DESC, version DESC LIMIT ?4"));
  select.Bind(1, after ? after->create_time : std::numeric_limits<int64_t>::max())
      .BindText(2, after ? absl::string_view(after->model) : "")
      .Bind(3, after ? after->version : 0)
      .Bind(4, limit);
  if (owner.has_value()) select.BindText(5, *owner);
  std::vector<ModelRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, select.Step());
    if (!more) return rows;
    rows.push_back(RowOf(select));
  }
}

absl::StatusOr<std::vector<std::string>> ModelNames(Connection& connection,
                                                    const std::optional<std::string>& owner) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT DISTINCT model FROM models "
                                      "WHERE (?1 IS NULL OR owner = ?1) LIMIT 1000"));
  if (owner.has_value()) select.BindText(1, *owner);
  return select.Texts();
}

absl::Status DeleteModel(Connection& connection, absl::string_view model, int version) {
  ASSIGN_OR_RETURN(const int last, LastVersion(connection, model));
  ASSIGN_OR_RETURN(Statement floor,
                   connection.Prepare("INSERT OR REPLACE INTO model_floors VALUES (?1, ?2)"));
  RETURN_IF_ERROR(floor.BindText(1, model).Bind(2, last).Run());
  for (const char* sql : {"DELETE FROM model_aliases WHERE model = ?1 AND version = ?2",
                          "DELETE FROM models WHERE model = ?1 AND version = ?2"}) {
    ASSIGN_OR_RETURN(Statement remove, connection.Prepare(sql));
    RETURN_IF_ERROR(remove.BindText(1, model).Bind(2, version).Run());
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> CountVersions(Connection& connection, absl::string_view model,
                                      const std::optional<std::string>& owner) {
  ASSIGN_OR_RETURN(Statement count,
                   connection.Prepare("SELECT count(*) FROM models WHERE model = ?1 "
                                      "AND (?2 IS NULL OR owner = ?2)"));
  count.BindText(1, model);
  if (owner.has_value()) count.BindText(2, *owner);
  RETURN_IF_ERROR(count.Step().status());
  return count.Int(0);
}

absl::StatusOr<int> LastVersion(Connection& connection, absl::string_view model) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare(
                       "SELECT max(ifnull((SELECT max(version) FROM models WHERE model = ?1), 0), "
                       "ifnull((SELECT version FROM model_floors WHERE model = ?1), 0))"));
  RETURN_IF_ERROR(select.BindText(1, model).Step().status());
  return static_cast<int>(select.Int(0));
}

absl::Status PutModelAlias(Connection& connection, absl::string_view model,
                           const ModelAlias& alias) {
  ASSIGN_OR_RETURN(Statement put,
                   connection.Prepare("INSERT OR REPLACE INTO model_aliases "
                                      "(model, alias, version, crc32c) VALUES (?1, ?2, ?3, ?4)"));
  return put.BindText(1, model)
      .BindText(2, alias.alias)
      .Bind(3, alias.version)
      .Bind(4, CrcOf(model, alias).masked())
      .Run();
}

absl::Status DeleteModelAlias(Connection& connection, absl::string_view model,
                              absl::string_view alias) {
  ASSIGN_OR_RETURN(Statement remove,
                   connection.Prepare("DELETE FROM model_aliases WHERE model = ?1 AND alias = ?2"));
  return remove.BindText(1, model).BindText(2, alias).Run();
}

absl::StatusOr<std::vector<ModelAlias>> ModelAliases(Connection& connection,
                                                     absl::string_view model,
                                                     const std::optional<std::string>& owner) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare("SELECT alias, version, model_aliases.crc32c FROM model_aliases "
                         "JOIN models USING (model, version) WHERE model = ?1 "
                         "AND (?2 IS NULL OR owner = ?2) ORDER BY alias"));
  select.BindText(1, model);
  if (owner.has_value()) select.BindText(2, *owner);
  std::vector<ModelAlias> aliases;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, select.Step());
    if (!more) return aliases;
    ModelAlias alias{std::string(select.Text(0)), static_cast<int>(select.Int(1))};
    if (!CrcOf(model, alias).Differs(select, 2)) aliases.push_back(std::move(alias));
  }
}

}  // namespace skytrain
