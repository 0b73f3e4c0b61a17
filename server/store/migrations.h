#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/store/connection.h"

namespace skytrain {

// One step of the schema: SQL that takes the database from the version before it to its own.
// Released steps are never edited: what has to change gets a new one.
struct Migration {
  int version;  // 1, 2, 3, …
  absl::string_view sql;
};

// The whole schema, oldest first. Every table of the daemon is declared here.
absl::Span<const Migration> Migrations();

// Applies what is missing, each step in a transaction of its own together with its number in
// `schema_version`. FAILED_PRECONDITION (STORE_TOO_NEW) when the database has a version that
// `migrations` does not know; nothing in the folder is changed then.
absl::Status Migrate(Connection& connection, absl::Span<const Migration> migrations);

}  // namespace skytrain
