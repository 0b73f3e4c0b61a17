#include "client/dataset_commands.h"

#include <map>

namespace skytrain::client {
namespace {

// What tells images, labels and classes of a set.
void AddDataOptions(CLI::App& command, DataOptions& data) {
  command.add_option("--table", data.table, "A CSV or Parquet table that labels the images PATH")
      ->type_name("FILE");
  command.add_option("--id", data.id, "Its column with the images' ids: file names, no suffix")
      ->type_name("COLUMN");
  command.add_option("--split", data.split, "Its column that names each row's split")
      ->type_name("COLUMN");
  command
      .add_option("--file", data.file,
                  "Its column that names each row's image, where the id does not (may be repeated: "
                  "folder, then file)")
      ->type_name("COLUMN")
      ->allow_extra_args(false);
  command.add_option("--weight", data.weight, "Its column with each row's weight")
      ->type_name("COLUMN");
  command
      .add_option("--target", data.target,
                  "The column with the class. Default: the one that stands out")
      ->type_name("COLUMN");
  AddPolicies(command, data.skip_unmatched, data.skip_corrupt);
}

void AddRegistration(CLI::App& command, AddDatasetOptions& add, const char* path) {
  command.add_option("name", add.name, "Parts of a-z, 0-9, - and _, joined by /")
      ->required()
      ->type_name("NAME");
  command.add_option("paths", add.data.paths, path)->required()->type_name("PATH");
  command.add_option("--description", add.description, "For people")->type_name("TEXT");
  AddDataOptions(command, add.data);
}

void AddPreview(CLI::App& group, Context& context, Chosen& chosen, PreviewDatasetOptions& typed) {
  CLI::App* c =
      AddCommand(group, context, chosen, "preview", "Draw images of each class on one sheet, a PNG",
                 [&] { return PreviewDataset(context, typed); });
  c->add_option("data", typed.data.paths, "A registered name, or what `add` takes")
      ->required()
      ->type_name("NAME|PATH");
  c->add_option("-o,--out", typed.file, "The PNG to write; -: stdout")
      ->required()
      ->type_name("FILE");
  c->add_option("--per-class", typed.per_class, "Images of each class, 1 to 64; default: 8")
      ->type_name("N");
  c->add_option("--tile", typed.tile_size, "Side of each in pixels, 32 to 256; default: 96")
      ->type_name("PIXELS");
  c->add_option("--center-crop", typed.center_crop, "Only so much of each side, as in 0.5")
      ->type_name("FRACTION");
  c->add_option("--only-split", typed.only_split, "Only images of this split of the set's own")
      ->type_name("NAME");
  c->add_option("--seed", typed.seed, "Another choice of images")->type_name("N");
  AddDataOptions(*c, typed.data);
}

}  // namespace

void AddPolicies(CLI::App& command, bool& skip_unmatched, bool& skip_corrupt) {
  const std::map<std::string, bool> policies = {{"refuse", false}, {"skip", true}};
  command
      .add_option("--unmatched", skip_unmatched,
                  "skip: leave out images without a label and labels without an image")
      ->transform(CLI::CheckedTransformer(policies))
      ->type_name("skip|refuse");
  command.add_option("--corrupt", skip_corrupt, "skip: leave out images that cannot be decoded")
      ->transform(CLI::CheckedTransformer(policies))
      ->type_name("skip|refuse");
}

void AddDatasets(CLI::App& app, Context& context, Chosen& chosen, DatasetCommands& typed) {
  const Run list = [&context] { return ListDatasets(context); };
  CLI::App& group = *AddCommand(app, context, chosen, "datasets",
                                "List data sets, name them, and look into them", list);
  group.require_subcommand(0, 1);
  AddRegistration(*AddCommand(group, context, chosen, "add",
                              "Give data on the server a name, once nothing is wrong with them",
                              [&] { return AddDataset(context, typed.add); }),
                  typed.add, "On the server: a folder, an archive, a table, or images of a table");
  typed.upload.upload = true;
  AddRegistration(
      *AddCommand(group, context, chosen, "upload", "Send data that are here, and give them a name",
                  [&] { return AddDataset(context, typed.upload); }),
      typed.upload, "Here: an archive, a table, or archives with images of a table");
  AddCommand(group, context, chosen, "list", "List what is registered", list);
  CLI::App* c = AddCommand(group, context, chosen, "show",
                           "Show a data set: its classes, counts, splits and problems",
                           [&] { return ShowDataset(context, typed.show); });
  c->add_option("data", typed.show.paths, "A registered name, or what `add` takes")
      ->required()
      ->type_name("NAME|PATH");
  AddDataOptions(*c, typed.show);
  AddPreview(group, context, chosen, typed.preview);
  c = AddCommand(group, context, chosen, "delete", "Forget names; no file is touched",
                 [&] { return DeleteDatasets(context, typed.names); });
  c->add_option("names", typed.names)->required()->type_name("NAME");
}

}  // namespace skytrain::client
