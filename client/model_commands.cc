#include "client/model_commands.h"

namespace skytrain::client {
namespace {

void AddImport(CLI::App& group, Context& context, Chosen& chosen, ImportOptions& typed) {
  CLI::App* c = AddCommand(group, context, chosen, "import",
                           "Make a model of published weights, to start from or to evaluate",
                           [&] { return ImportModel(context, typed); });
  c->add_option("file", typed.file, "Weights of torchvision or timm, as safetensors")
      ->required()
      ->type_name("FILE");
  c->add_option("--arch", typed.architecture,
                "resnet18|34|50|101, wide_resnet28_4, convnext_tiny|nano, efficientnet_b0, "
                "vit_small, small_cnn")
      ->required()
      ->type_name("NAME");
  c->add_option("--name", typed.name, "The model's name; else that of the architecture")
      ->type_name("NAME");
  c->add_option("--classes", typed.classes,
                "Names of the outputs, a,b,c, or a file with one a line; else 0, 1, …")
      ->type_name("FILE|NAMES");
  c->add_option("--size", typed.size, "Side of the images in pixels; default: 224")
      ->check(CLI::PositiveNumber)
      ->type_name("PIXELS");
  c->add_option("--center-crop", typed.center_crop,
                "Fraction of each side that is shown, as in 0.875; default: all")
      ->check(CLI::PositiveNumber)
      ->type_name("FRACTION");
  c->add_option("--normalize", typed.normalize, "What the weights expect; default: imagenet")
      ->check(CLI::IsMember({"imagenet", "none"}))
      ->type_name("imagenet|none");
  c->add_option("--stem", "Of a ResNet for small images; default: imagenet")
      ->check(CLI::IsMember({"imagenet", "cifar"}))
      ->type_name("imagenet|cifar")
      ->each([&typed](const std::string& stem) { typed.cifar_stem = stem == "cifar"; });
  c->add_option("--width", typed.width, "Channels of the first stage of a ResNet or small_cnn")
      ->check(CLI::PositiveNumber)
      ->type_name("CHANNELS");
  c->add_option("--source", typed.source, "Where they come from; else the file's name")
      ->type_name("TEXT");
  c->add_flag("--dry-run", typed.dry_run, "Check everything, publish nothing");
}

}  // namespace

void AddModels(CLI::App& app, Context& context, Chosen& chosen, ModelCommands& typed) {
  const Run list = [&context] { return ListModels(context); };
  CLI::App& group =
      *AddCommand(app, context, chosen, "models",
                  "List models, look at one, bring published weights, name versions", list);
  group.require_subcommand(0, 1);
  AddCommand(group, context, chosen, "list", "List models, newest first", list);
  CLI::App* c = AddCommand(group, context, chosen, "show",
                           "Show a model: its job, its data, how good it is, its files",
                           [&] { return ShowModel(context, typed.show); });
  c->add_option("model", typed.show, "The model, or the job that trained it")
      ->required()
      ->type_name("JOB|MODEL[@N|@ALIAS]");

  AddImport(group, context, chosen, typed.import);

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
