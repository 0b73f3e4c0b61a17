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
  context.Out(absl::StrCat(dry_run ? "would remove " : "removed ",
                           Plural(collected.garbage_size(), "item"), ", ",
                           FormatBytes(collected.bytes()), "\n"));
  return kExitOk;
}

}  // namespace skytrain::client
