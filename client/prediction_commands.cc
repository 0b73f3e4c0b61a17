#include "client/prediction_commands.h"

#include "client/dataset_commands.h"

namespace skytrain::client {
namespace {

constexpr char kData[] =
    "A registered name, a path on the server, or with --upload images, an archive or a table here";

void AddCommonOptions(CLI::App& command, EvaluateOptions& typed) {
  command.add_flag("--dihedral", typed.dihedral,
                   "Average over the eight turns and mirror images of each image");
  command
      .add_option("--dropout", typed.dropout_samples,
                  "Average over so many passes with dropout left on, 1 to 1000")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  command.add_flag("--features", typed.features,
                   "The inputs of the last layer too, as a column of the predictions");
  CLI::Option* cpus = command.add_option("--cpus", typed.cpus, "CPU cores; default: 2")
                          ->check(CLI::PositiveNumber)
                          ->type_name("N");
  command.add_option("--gpus", typed.gpus, "GPUs; default: none")
      ->check(CLI::PositiveNumber)
      ->type_name("N")
      ->excludes(cpus);
  command.add_flag("--upload", typed.upload, "Send data that are here and not on the server");
  command.add_flag("--detach", typed.detach, "Print the job's name and leave it to itself");
  AddPolicies(command, typed.skip_unmatched, typed.skip_corrupt);
}

}  // namespace

void AddPredictions(CLI::App& app, Context& context, Chosen& chosen, PredictionCommands& typed) {
  EvaluateOptions& evaluate = typed.evaluate;
  CLI::App* c = AddCommand(app, context, chosen, "evaluate", "Measure a model on data with labels",
                           [&] { return Evaluate(context, evaluate); });
  c->add_option("model", evaluate.model, "The job that trained it, or the model")
      ->required()
      ->type_name("JOB|MODEL[@N|@ALIAS]");
  CLI::Option* data = c->add_option("paths", evaluate.data, kData)->type_name("DATA");
  c->add_option("--data", evaluate.data, "The same")
      ->type_name("DATA")
      ->allow_extra_args(false)
      ->excludes(data);
  c->add_option("--ensemble", evaluate.ensemble,
                "More models of the same task, whose predictions are averaged with the first's")
      ->type_name("MODEL,…")
      ->allow_extra_args(false);
  c->add_option("--split", evaluate.split,
                "Which of the set's splits; default: test, else val, else all")
      ->type_name("NAME");
  c->add_option("-o,--out", evaluate.file, "Also write the predictions: .csv, .parquet or .jsonl")
      ->type_name("FILE");
  AddCommonOptions(*c, evaluate);

  EvaluateOptions& predict = typed.predict;
  c = AddCommand(app, context, chosen, "predict",
                 "Ask a model about samples without labels; writes a table",
                 [&] { return Predict(context, predict); });
  c->add_option("model", predict.model,
                "The job that trained it, or the model; several are averaged")
      ->required()
      ->type_name("MODEL[,MODEL…]");
  c->add_option("data", predict.data, kData)->required()->type_name("DATA");
  c->add_option("-o,--out", predict.file,
                ".csv, .parquet or .jsonl; -: CSV on stdout. Default: stdout, or on a terminal "
                "MODEL-predictions.csv")
      ->type_name("FILE");
  c->add_option("--labelled-split", predict.split,
                "The data have labels: take this split of theirs, and measure the model too")
      ->type_name("NAME");
  AddCommonOptions(*c, predict);
}

}  // namespace skytrain::client
