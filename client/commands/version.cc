#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/render/json.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Version(Context& context) {
#ifdef SKYTRAIN_STATIC
  constexpr bool kStatic = true;
#else
  constexpr bool kStatic = false;
#endif
  if (context.format == Format::kTable) {
    context.Out(absl::StrCat("skytrain ", SKYTRAIN_VERSION, kStatic ? " (static)" : "", "\n"));
    return kExitOk;
  }
  JsonWriter json(context.format == Format::kJson);
  json.BeginObject();
  json.Key("version");
  json.String(SKYTRAIN_VERSION);
  json.Key("static");
  json.Bool(kStatic);
  json.EndObject();
  context.Out(json.Finish());
  return kExitOk;
}

}  // namespace skytrain::client
