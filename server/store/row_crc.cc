#include "server/store/row_crc.h"

#include <sqlite3.h>

namespace skytrain {
namespace {

void Compute(sqlite3_context* context, int count, sqlite3_value** values) {
  RowCrc crc;
  for (int i = 0; i < count; ++i) {
    const int type = sqlite3_value_type(values[i]);
    if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
      const void* bytes = sqlite3_value_blob(values[i]);
      crc.Add(absl::string_view(static_cast<const char*>(bytes), sqlite3_value_bytes(values[i])));
    } else {
      crc.Add(static_cast<int64_t>(sqlite3_value_int64(values[i])));
    }
  }
  sqlite3_result_int64(context, crc.masked());
}

}  // namespace

void RegisterRowCrc(sqlite3* db) {
  sqlite3_create_function_v2(db, "row_crc", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
                             Compute, nullptr, nullptr, nullptr);
}

}  // namespace skytrain
