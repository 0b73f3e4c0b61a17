#include "absl/time/clock.h"
#include "client/commands/commands.h"
#include "client/render/job_table.h"
#include "client/render/json.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Queue(Context& context) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const v1::GetQueueResponse queue, client->GetQueue());
  if (context.format == Format::kTable) {
    context.Out(QueueTable(queue, absl::Now(), context.out()));
    return kExitOk;
  }
  if (context.format == Format::kJsonl) {
    for (const v1::QueueEntry& entry : queue.entries()) {
      JsonWriter line(/*pretty=*/false);
      WriteMessage(entry, line);
      context.Out(line.Finish());
    }
    return kExitOk;
  }
  JsonWriter json(/*pretty=*/true);
  json.BeginObject();
  json.Key("queue");
  json.BeginList();
  for (const v1::QueueEntry& entry : queue.entries()) WriteMessage(entry, json);
  json.EndList();
  json.EndObject();
  context.Out(json.Finish());
  return kExitOk;
}

}  // namespace skytrain::client
