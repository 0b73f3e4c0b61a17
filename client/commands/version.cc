#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/render/json.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Version(Context& context) {
  if (context.format == Format::kTable) {
    context.Out(
        absl::StrCat("skytrain ", SKYTRAIN_VERSION, context.static_build ? " (static)" : "", "\n"));
    return kExitOk;
  }
  JsonWriter json(context.format == Format::kJson);
  json.BeginObject();
  json.Key("version");
  json.String(SKYTRAIN_VERSION);
  json.Key("static");
  json.Bool(context.static_build);
  json.EndObject();
  context.Out(json.Finish());
  return kExitOk;
}

}  // namespace skytrain::client
