#include "client/command_line.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/command_adder.h"
#include "client/commands/commands.h"
#include "client/dataset_commands.h"
#include "client/model_commands.h"
#include "client/prediction_commands.h"
#include "client/render/format.h"
#include "common/errors.h"

namespace skytrain::client {
namespace {

const std::map<std::string, Format> kFormats = {{"table", Format::kTable},
                                                {"json", Format::kJson},
                                                {"jsonl", Format::kJsonl},
                                                {"csv", Format::kCsv}};

// Everything that the commands' options are parsed into, and the command that was chosen.
struct Parsed : Chosen {
  SubmitOptions submit;
  ListOptions list;
  ShowOptions show;
  WatchCommandOptions watch;
  LogsOptions logs;
  std::string log_stream;
  int log_rank = 0;
  MetricsOptions metrics;
  WaitOptions wait;
  double wait_seconds = 0;
  SelectOptions select;
  FetchOptions fetch;
  std::vector<std::string> upload;
  VerifyOptions verify;
  DatasetCommands datasets;
  ModelCommands models;
  PredictionCommands predictions;
  bool gc_dry_run = false;
  std::string shell;
  DialStdioOptions dial_stdio;
};

// What `submit` and `find-lr` share.
void AddExperiment(CLI::App& command, SubmitOptions& o) {
  command.add_option("file", o.file, "The experiment's YAML file; -: stdin")
      ->required()
      ->type_name("FILE");
  command.add_option("--set", o.overrides, "Override a key of the file, as in train.epochs=3")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--name", o.name, "The job's name; else made from the experiment's")
      ->type_name("NAME");
  command.add_flag("--upload", o.upload, "Send data files that are here and not on the server");
  command.add_flag("--dry-run", o.dry_run, "Check everything, submit nothing");
}

void AddSubmit(CLI::App& app, Context& context, Parsed& parsed) {
  SubmitOptions& o = parsed.submit;
  CLI::App* c =
      AddCommand(app, context, parsed, "submit", "Submit an experiment; prints the job's name",
                 [&] { return Submit(context, o); });
  AddExperiment(*c, o);
  c->add_option("--request-id", o.request_id,
                "Submitting again with the same id gives the same job")
      ->type_name("ID");
  auto* wait = c->add_flag("--wait", o.wait, "Wait for the end; exit with the job's code");
  c->add_flag("--watch", o.watch, "Follow it; exit with the job's code")->excludes(wait);

  AddExperiment(*AddCommand(app, context, parsed, "find-lr",
                            "Look for a learning rate; prints the loss over it and a suggestion",
                            [&] { return FindLr(context, o); }),
                o);
}

void AddLooking(CLI::App& app, Context& context, Parsed& parsed) {
  CLI::App* c = AddCommand(app, context, parsed, "list", "List jobs, newest first",
                           [&] { return List(context, parsed.list); });
  c->add_option("--state", parsed.list.states, "Only jobs in this state (may be repeated)")
      ->type_name("STATE")
      ->allow_extra_args(false);
  c->add_option("--filter", parsed.list.filter,
                "Only jobs for which this holds, as in 'owner=ana AND labels.run=x'")
      ->type_name("FILTER");
  c->add_flag("--all", parsed.list.all, "All jobs, not only the newest 50");

  AddCommand(app, context, parsed, "queue",
             "Show the waiting jobs: why each waits, when it might start",
             [&] { return Queue(context); });

  c = AddCommand(app, context, parsed, "show", "Show a job: how it stands, or how it ended",
                 [&] { return Show(context, parsed.show); });
  auto* job = c->add_option("job", parsed.show.job)->type_name("JOB");
  auto* dir = c->add_option("--dir", parsed.show.dir, "An attempt folder, read with no server")
                  ->type_name("ATTEMPT");
  dir->excludes(job);

  c = AddCommand(app, context, parsed, "watch", "Follow a job; exit with the job's code",
                 [&] { return WatchCommand(context, parsed.watch); });
  job = c->add_option("job", parsed.watch.job)->type_name("JOB");
  dir = c->add_option("--dir", parsed.watch.dir, "An attempt folder, read with no server")
            ->type_name("ATTEMPT");
  dir->excludes(job);
  c->add_option("--after-seq", parsed.watch.after_seq, "Only events after this number")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  c->add_flag("--all", parsed.watch.all, "Also what the worker wrote");
  c->add_flag("--follow,!--no-follow", parsed.watch.follow, "Stop at the present end");
  c->add_option("--every", parsed.watch.every, "Of each metric one point in so many steps")
      ->check(CLI::PositiveNumber)
      ->type_name("STEPS");

  LogsOptions& logs = parsed.logs;
  c = AddCommand(app, context, parsed, "logs", "Print what the job's processes wrote", [&] {
    if (parsed.log_stream == "stdout") logs.stream = v1::LogChunk::STREAM_STDOUT;
    if (parsed.log_stream == "stderr") logs.stream = v1::LogChunk::STREAM_STDERR;
    return Logs(context, logs);
  });
  c->add_option("job", logs.job)->required()->type_name("JOB");
  c->add_flag("--follow,-f", logs.follow, "Go on until the job is over");
  c->add_option("--rank", parsed.log_rank, "Only this rank; -1: the shepherd")
      ->type_name("N")
      ->each([&parsed](const std::string&) { parsed.logs.rank = 0; });
  c->add_option("--stream", parsed.log_stream, "Only stdout or stderr")
      ->check(CLI::IsMember({"stdout", "stderr"}))
      ->type_name("STREAM");
}

void AddMetrics(CLI::App& app, Context& context, Parsed& parsed) {
  MetricsOptions& o = parsed.metrics;
  CLI::App* c = AddCommand(app, context, parsed, "metrics", "Print a job's metrics",
                           [&] { return Metrics(context, o); });
  c->add_option("job", o.job)->required()->type_name("JOB");
  c->add_option("names", o.names, "Only these, as in val/accuracy or 'val/*'")->type_name("NAME");
  c->add_option("--plot", o.plot, "Draw this metric")->type_name("NAME");
  c->add_flag("--all-attempts", o.all_attempts, "Also points that a resume overtook");
}

void AddActing(CLI::App& app, Context& context, Parsed& parsed) {
  CLI::App* c = AddCommand(app, context, parsed, "wait", "Wait until jobs are over", [&] {
    if (parsed.wait_seconds > 0) parsed.wait.timeout = absl::Seconds(parsed.wait_seconds);
    return Wait(context, parsed.wait);
  });
  c->add_option("jobs", parsed.wait.jobs)->required()->type_name("JOB");
  c->add_option("--timeout", parsed.wait_seconds, "Give up after so many seconds (exit code 124)")
      ->check(CLI::PositiveNumber)
      ->type_name("SECONDS");
}

void AddChanging(CLI::App& app, Context& context, Parsed& parsed) {
  using Command = absl::StatusOr<ExitCode> (*)(Context&, const SelectOptions&);
  static constexpr std::tuple<const char*, const char*, Command> kCommands[] = {
      {"cancel", "Ask jobs to end", Cancel},
      {"suspend", "Set jobs aside, with a checkpoint", Suspend},
      {"resume", "Let suspended jobs go on", Resume},
      {"delete", "Remove finished jobs; their models stay", Delete}};
  for (const auto& [name, what, command] : kCommands) {
    CLI::App* c = AddCommand(
        app, context, parsed, name, what,
        [&context, &parsed, command = command] { return command(context, parsed.select); });
    c->add_option("jobs", parsed.select.jobs)->type_name("JOB");
    c->add_option("--filter", parsed.select.filter,
                  "All jobs for which this holds, as in 'state=QUEUED AND labels.run=x'")
        ->type_name("FILTER");
    c->add_flag("--yes,-y", parsed.select.yes, "Do not ask before the filter's jobs are changed");
  }
}

void AddTransfers(CLI::App& app, Context& context, Parsed& parsed) {
  CLI::App* c = AddCommand(app, context, parsed, "fetch",
                           "Fetch a model: model.safetensors, model.json; or what `predict` wrote",
                           [&] { return Fetch(context, parsed.fetch); });
  c->add_option("what", parsed.fetch.what,
                "The model, the job that trained it, or one that predicted")
      ->required()
      ->type_name("JOB|MODEL[@N|@ALIAS]");
  c->add_option("-o,--dir", parsed.fetch.dir, "Where to; default: the model's or the job's name")
      ->type_name("DIR");

  c = AddCommand(app, context, parsed, "upload",
                 "Send data to the server; prints what to write as data.dataset",
                 [&] { return UploadCommand(context, parsed.upload); });
  c->add_option("files", parsed.upload, "Archives or tables")->required()->type_name("FILE");
}

void AddVerify(CLI::App& app, Context& context, Parsed& parsed) {
  CLI::App* c = AddCommand(app, context, parsed, "verify",
                           "Run a job again and compare the weights, bit for bit",
                           [&] { return Verify(context, parsed.verify); });
  c->add_option("job", parsed.verify.job)->required()->type_name("JOB");
  c->add_flag("--resume-check", parsed.verify.resume_check,
              "Interrupt the second run once, at a random step, and let it go on");
}

void AddLink(CLI::App& app, Context& context, Parsed& parsed) {
  AddCommand(app, context, parsed, "login",
             "Keep a token for a server on TCP; asks for it, or reads stdin",
             [&] { return Login(context); });
  AddCommand(app, context, parsed, "logout", "Forget the server's token",
             [&] { return Logout(context); });
  AddCommand(app, context, parsed, "doctor", "Examine the way to the server; name what is broken",
             [&] { return RunDoctor(context); });
  // By hand only to look at what an ssh:// server does, so it has none of the common options.
  CLI::App* c = app.add_subcommand(
      "dial-stdio",
      "Join stdin and stdout with the daemon's socket (ssh:// runs this on the node)");
  c->add_option("--socket", parsed.dial_stdio.socket, "The daemon's; else the default")
      ->type_name("PATH");
  c->callback([&] { parsed.run = [&] { return DialStdio(context, parsed.dial_stdio); }; });
}

std::vector<CommandHelp> Describe(const CLI::App& app) {
  std::vector<CommandHelp> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    CommandHelp help{command->get_name(), command->get_description(), {}, Describe(*command)};
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) help.options.push_back("--" + name);
    }
    commands.push_back(std::move(help));
  }
  return commands;
}

void AddRest(CLI::App& app, Context& context, Parsed& parsed) {
  CLI::App* gc = AddCommand(app, context, parsed, "gc",
                            "Remove what the server's retention policy no longer keeps",
                            [&] { return CollectGarbage(context, parsed.gc_dry_run); });
  gc->add_flag("--dry-run", parsed.gc_dry_run, "Only say what that would be");
  AddCommand(app, context, parsed, "info", "Show the server and its devices",
             [&] { return Info(context); });
  AddCommand(app, context, parsed, "version", "Print the version",
             [&] { return Version(context); });
  CLI::App* c = AddCommand(app, context, parsed, "completion", "Print a shell's completion script",
                           [&] { return Completion(context, parsed.shell, Describe(app)); });
  c->add_option("shell", parsed.shell)
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->type_name("bash|zsh|fish");
}

bool IsGroup(const CLI::App& command) {
  return !command.get_subcommands([](const CLI::App*) { return true; }).empty();
}

// Instead of CLI11's words for a command line that it cannot read. `line`: how `app` is called.
std::string UsageError(const CLI::App& app, const CLI::ParseError& error,
                       const std::string& line = "skytrain") {
  const auto commands = app.get_subcommands();
  if (!commands.empty() && !IsGroup(*commands.front())) {
    return absl::StrCat(error.what(), "\nSee: ", line, " ", commands.front()->get_name(),
                        " --help\n");
  }
  if (!commands.empty()) {
    return UsageError(*commands.front(), error,
                      absl::StrCat(line, " ", commands.front()->get_name()));
  }
  const std::vector<std::string> words = app.remaining();
  const auto word = std::find_if(words.begin(), words.end(), [](const std::string& text) {
    return !text.empty() && text.front() != '-';
  });
  // A group that is a command too misses no command: it does not expect the word. The name of that
  // error is the group's.
  const bool extra = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError);
  const bool unknown = word != words.end() &&
                       (error.get_name() == "RequiredError" || (extra && word == words.begin()));
  if (!unknown) {
    return absl::StrCat(words.empty() ? "name a command" : error.what(), "\nSee: ", line,
                        " --help\n");
  }
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  const std::string nearest = NearestName(*word, names);
  return absl::StrCat("there is no command '", Printable(*word), "'",
                      nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?"),
                      "\nSee: ", line, " --help\n");
}

// Where to look after an error that the command line was right about.
std::string NextStep(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (reason == "JOB_NOT_FOUND") return "Your jobs: skytrain list --all\n";
  if (reason == "DATASET_NOT_FOUND") return "What there is: skytrain datasets list\n";
  if (reason == "MODEL_NOT_FOUND") return "What there is: skytrain models\n";
  return "";
}

// What CLI11 cannot say with its own checks.
std::string WhatIsMissing(const CLI::App& app, const Parsed& parsed) {
  const auto neither = [](const std::string& job, const std::string& dir) {
    return job.empty() && dir.empty();
  };
  if ((app.got_subcommand("show") && neither(parsed.show.job, parsed.show.dir)) ||
      (app.got_subcommand("watch") && neither(parsed.watch.job, parsed.watch.dir))) {
    return "name a job, or an attempt folder with --dir";
  }
  if (parsed.models.NeedsAlias(app)) return "name the alias, or forget one with --remove";
  for (const char* command : {"cancel", "suspend", "resume", "delete"}) {
    if (app.got_subcommand(command) && parsed.select.jobs.empty() == parsed.select.filter.empty()) {
      return absl::StrCat("name the jobs to ", command, ", or pick them with --filter");
    }
  }
  return "";
}

}  // namespace

int RunCommandLine(int argc, char** argv, Context& context) {
  CLI::App app(
      "Trains models on a GPU node from anywhere: submit an experiment, follow it, fetch the "
      "model.",
      "skytrain");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help of all commands");
  Parsed parsed;
  AddServerOptions(app, context);  // Before the command they mean the same.
  AddSubmit(app, context, parsed);
  AddLooking(app, context, parsed);
  AddMetrics(app, context, parsed);
  AddActing(app, context, parsed);
  AddChanging(app, context, parsed);
  AddModels(app, context, parsed, parsed.models);
  AddTransfers(app, context, parsed);
  AddPredictions(app, context, parsed, parsed.predictions);
  AddDatasets(app, context, parsed, parsed.datasets);
  AddVerify(app, context, parsed);
  AddLink(app, context, parsed);
  AddRest(app, context, parsed);
  // The one place where CLI11's exceptions are caught.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);  // Help.
      return kExitOk;
    }
    context.Err(UsageError(app, error));
    return kExitUsage;
  }
  if (const std::string missing = WhatIsMissing(app, parsed); !missing.empty()) {
    context.Err(absl::StrCat(missing, "\n"));
    return kExitUsage;
  }
  context.format = kFormats.at(parsed.format);
  if (parsed.logs.rank.has_value()) parsed.logs.rank = parsed.log_rank;

  const absl::StatusOr<ExitCode> result = parsed.run();
  if (result.ok()) return *result;
  if (context.interrupt().raised()) return kExitInterrupted;
  context.Err(absl::StrCat(result.status().message(), "\n", NextStep(result.status())));
  return ExitCodeOf(result.status());
}

}  // namespace skytrain::client
