#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/commands/commands.h"
#include "client/render/format.h"
#include "client/render/job_table.h"
#include "client/render/json.h"
#include "common/status_macros.h"
#include "common/timestamp.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Info(Context& context) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const v1::ServerInfo info, client->GetServerInfo());
  ASSIGN_OR_RETURN(const v1::ListDevicesResponse devices, client->ListDevices());
  if (context.format == Format::kTable) {
    context.Out(
        absl::StrCat("server  ", client->target().shown, " on ", Printable(info.hostname()), "\n",
                     "version ", Printable(info.version()), "  ", Printable(info.build()), ", up ",
                     FormatAge(absl::Now() - ToTime(info.start_time())), "\n", "you     ",
                     Printable(info.caller()), "\n", "data    ",
                     info.data_roots().empty() ? "wherever the server's user may read"
                                               : Printable(absl::StrJoin(info.data_roots(), ", ")),
                     "\n\n", DeviceTable(devices, context.out())));
    return kExitOk;
  }
  JsonWriter json(context.format == Format::kJson);
  json.BeginObject();
  json.Key("server");
  json.String(client->target().shown);
  json.Key("info");
  WriteMessage(info, json);
  json.Key("devices");
  json.BeginList();
  for (const v1::Device& device : devices.devices()) WriteMessage(device, json);
  json.EndList();
  json.EndObject();
  context.Out(json.Finish());
  return kExitOk;
}

}  // namespace skytrain::client
