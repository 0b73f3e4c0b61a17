#include "absl/time/clock.h"
#include "client/commands/commands.h"
#include "client/render/format.h"
#include "client/render/job_table.h"
#include "client/render/json.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Models(Context& context) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const std::vector<v1::Model> models, client->ListModels());
  if (context.format == Format::kTable) {
    context.Out(ModelTable(models, absl::Now(), context.out()));
    return kExitOk;
  }
  if (context.format == Format::kJsonl) {
    for (const v1::Model& model : models) {
      JsonWriter line(/*pretty=*/false);
      WriteMessage(model, line);
      context.Out(line.Finish());
    }
    return kExitOk;
  }
  JsonWriter json(/*pretty=*/true);
  json.BeginObject();
  json.Key("models");
  json.BeginList();
  for (const v1::Model& model : models) WriteMessage(model, json);
  json.EndList();
  json.EndObject();
  context.Out(json.Finish());
  return kExitOk;
}

}  // namespace skytrain::client
