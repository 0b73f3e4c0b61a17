// `models list`, `show`, `alias` and `delete`. (`import` is in model_import.cc.)
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/commands/selection.h"
#include "client/render/format.h"
#include "client/render/job_table.h"
#include "client/render/json.h"
#include "client/render/model_text.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

void PrintModel(Context& context, const v1::Model& model) {
  if (context.format == Format::kTable) {
    return context.Out(ModelText(model, absl::Now(), context.out()));
  }
  JsonWriter json(context.format == Format::kJson);
  WriteMessage(model, json);
  context.Out(json.Finish());
}

}  // namespace

absl::StatusOr<ExitCode> ListModels(Context& context) {
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

absl::StatusOr<ExitCode> ShowModel(Context& context, const std::string& what) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const v1::Model model, ModelArgument(*client, what));
  PrintModel(context, model);
  return kExitOk;
}

absl::StatusOr<ExitCode> AliasModel(Context& context, const AliasOptions& options) {
  if (!options.remove) RETURN_IF_ERROR(ValidateModelAlias(options.alias));
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  if (options.remove) {
    ASSIGN_OR_RETURN(const ModelName name, ParseModelName(options.model));
    RETURN_IF_ERROR(client->DeleteModelAlias(name.ToString()));
    context.Err(absl::StrCat(name.model, "@", name.alias, "  removed\n"));
    return kExitOk;
  }
  ASSIGN_OR_RETURN(const v1::Model named, ModelArgument(*client, options.model));
  ASSIGN_OR_RETURN(const v1::Model model, client->SetModelAlias(named.name(), options.alias));
  ASSIGN_OR_RETURN(const ModelName name, ParseModelName(model.name()));
  if (context.format == Format::kTable) {
    context.Out(absl::StrCat(name.model, "@", options.alias, "  stands for ",
                             ShortName(model.name()), "\n"));
  } else {
    PrintModel(context, model);
  }
  return kExitOk;
}

absl::StatusOr<ExitCode> DeleteModels(Context& context, const std::vector<std::string>& names) {
  return ActOnNames(context, names, "deleted",
                    [](Client& client, const std::string& typed) -> absl::Status {
                      ASSIGN_OR_RETURN(const ModelName name, ParseModelName(typed));
                      return client.DeleteModel(name.ToString());
                    });
}

}  // namespace skytrain::client
