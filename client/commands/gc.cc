#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "client/render/table.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> CollectGarbage(Context& context, bool dry_run) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const v1::CollectGarbageResponse collected, client->CollectGarbage(dry_run));
  if (context.format != Format::kTable) {
    JsonWriter json(context.format == Format::kJson);
    WriteMessage(collected, json);
    context.Out(json.Finish());
    return kExitOk;
  }
  Table table({{"WHAT"}, {"WHY"}, {"BYTES", Table::Align::kRight}});
  for (const v1::Garbage& garbage : collected.garbage()) {
    table.AddRow(
        {Printable(garbage.what()), Printable(garbage.reason()), FormatBytes(garbage.bytes())});
  }
  if (!collected.garbage().empty()) context.Out(table.Render(context.out().width));
  // A server of an earlier version does not count.
  const int64_t items = std::max<int64_t>(collected.items(), collected.garbage_size());
  if (items > collected.garbage_size()) {
    context.Out(
        absl::StrCat("… and ", Plural(items - collected.garbage_size(), "more item"), "\n"));
  }
  context.Out(absl::StrCat(dry_run ? "would remove " : "removed ", Plural(items, "item"), ", ",
                           FormatBytes(collected.bytes()), "\n"));
  return kExitOk;
}

}  // namespace skytrain::client
