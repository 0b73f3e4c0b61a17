#include "client/model_commands.h"

namespace skytrain::client {

void AddModels(CLI::App& app, Context& context, Chosen& chosen, ModelCommands& typed) {
  const Run list = [&context] { return ListModels(context); };
  CLI::App& group = *AddCommand(app, context, chosen, "models",
                                "List models, look at one, name versions, delete them", list);
  group.require_subcommand(0, 1);
  AddCommand(group, context, chosen, "list", "List models, newest first", list);
  CLI::App* c = AddCommand(group, context, chosen, "show",
                           "Show a model: its job, its data, how good it is, its files",
                           [&] { return ShowModel(context, typed.show); });
  c->add_option("model", typed.show, "The model, or the job that trained it")
      ->required()
      ->type_name("JOB|MODEL[@N|@ALIAS]");

  c = AddCommand(group, context, chosen, "alias",
                 "Let an alias stand for a version, as NAME@best, or move it",
                 [&] { return AliasModel(context, typed.alias); });
  c->add_option("model", typed.alias.model, "The version; with --remove: NAME@ALIAS")
      ->required()
      ->type_name("MODEL[@N]");
  CLI::Option* alias =
      c->add_option("alias", typed.alias.alias, "A letter, then letters, digits, - and _")
          ->type_name("ALIAS");
  c->add_flag("--remove", typed.alias.remove, "Forget the alias; the version stays")
      ->excludes(alias);

  c = AddCommand(group, context, chosen, "delete", "Remove versions of models, and their files",
                 [&] { return DeleteModels(context, typed.names); });
  c->add_option("models", typed.names)->required()->type_name("MODEL@N");
}

}  // namespace skytrain::client
