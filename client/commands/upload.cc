#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/commands/transfer.h"
#include "client/render/json.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> UploadCommand(Context& context, const std::vector<std::string>& files) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  std::vector<std::string> names;
  for (const std::string& file : files) {
    ASSIGN_OR_RETURN(names.emplace_back(), UploadFile(context, *client, file));
    // Named at once: the files after it may take hours.
    if (context.format == Format::kTable) context.Out(absl::StrCat(names.back(), "\n"));
  }
  if (context.format == Format::kTable) return kExitOk;
  JsonWriter json(context.format == Format::kJson);
  json.BeginObject();
  json.Key("blobs");
  json.BeginList();
  for (size_t i = 0; i < files.size(); ++i) {
    json.BeginObject();
    json.Key("file");
    json.String(files[i]);
    json.Key("name");
    json.String(names[i]);
    json.EndObject();
  }
  json.EndList();
  json.EndObject();
  context.Out(json.Finish());
  return kExitOk;
}

}  // namespace skytrain::client
