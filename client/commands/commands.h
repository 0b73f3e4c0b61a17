#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/commands/context.h"
#include "client/exit_code.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain::client {

// One function for each command, in a file of the same name. They take what the command line says
// and return the exit code, or an error, which main prints and turns into one. Names of jobs and
// models are as typed: short or whole resource names.

struct SubmitOptions {
  std::string file;  // "-": stdin.
  std::vector<std::string> overrides;
  std::string name;        // The job's; empty: made by the server.
  std::string request_id;  // Empty: a new one.
  bool upload = false;     // Send local data files that the server does not have.
  bool dry_run = false;
  bool wait = false;
  bool watch = false;
  bool find_lr = false;  // Look for a learning rate, also where the file does not say so.
};
absl::StatusOr<ExitCode> Submit(Context& context, const SubmitOptions& options);
// Submits with find_lr, follows the search to its end, and prints the curve and the suggestion.
absl::StatusOr<ExitCode> FindLr(Context& context, SubmitOptions options);

struct ListOptions {
  std::vector<std::string> states;  // Any case; empty: all.
  std::string filter;               // See ListJobsRequest.filter.
  bool all = false;                 // Else the newest 50.
};
absl::StatusOr<ExitCode> List(Context& context, const ListOptions& options);

struct ShowOptions {
  std::string job;
  std::string dir;  // An attempt folder, instead of a job.
};
absl::StatusOr<ExitCode> Show(Context& context, const ShowOptions& options);

struct WatchCommandOptions {
  std::string job;
  std::string dir;
  int64_t after_seq = 0;
  bool all = false;  // Also what the worker wrote.
  bool follow = true;
  int64_t every = 0;  // One point of each metric in so many steps; 0: all.
};
absl::StatusOr<ExitCode> WatchCommand(Context& context, const WatchCommandOptions& options);

struct LogsOptions {
  std::string job;
  bool follow = false;
  std::optional<int> rank;
  v1::LogChunk::Stream stream = v1::LogChunk::STREAM_UNSPECIFIED;  // Both.
};
absl::StatusOr<ExitCode> Logs(Context& context, const LogsOptions& options);

struct MetricsOptions {
  std::string job;
  std::vector<std::string> names;  // Empty: all. "val/*" takes all that begin so.
  std::string plot;
  bool all_attempts = false;
};
absl::StatusOr<ExitCode> Metrics(Context& context, const MetricsOptions& options);

struct WaitOptions {
  std::vector<std::string> jobs;
  absl::Duration timeout = absl::InfiniteDuration();
};
absl::StatusOr<ExitCode> Wait(Context& context, const WaitOptions& options);

// Which jobs a command acts on.
struct SelectOptions {
  std::vector<std::string> jobs;
  std::string filter;  // Instead of `jobs`: see ListJobsRequest.filter.
  bool yes = false;    // No question before a filter's jobs are changed.
};
absl::StatusOr<ExitCode> Cancel(Context& context, const SelectOptions& options);
absl::StatusOr<ExitCode> Suspend(Context& context, const SelectOptions& options);
absl::StatusOr<ExitCode> Resume(Context& context, const SelectOptions& options);
absl::StatusOr<ExitCode> Delete(Context& context, const SelectOptions& options);

struct FetchOptions {
  std::string what;  // A job, a model, MODEL@VERSION.
  std::string dir;   // Empty: the model's name, or that of a job that wrote files of its own.
};
absl::StatusOr<ExitCode> Fetch(Context& context, const FetchOptions& options);

// Prints the name of each file's blob.
absl::StatusOr<ExitCode> UploadCommand(Context& context, const std::vector<std::string>& files);

// What `evaluate` and `predict` are told.
struct EvaluateOptions {
  // A job or model, or several joined by commas; `ensemble`: more. Their predictions are averaged.
  std::string model;
  std::vector<std::string> ensemble;
  // A registered name or a path on the server; or paths here, which are sent.
  std::vector<std::string> data;
  std::string split;  // `predict`: samples with labels, those of this split. Empty: as they come.
  bool dihedral = false;  // As in v1.Evaluation, here and below.
  int dropout_samples = 0;
  bool features = false;
  std::string file;        // Of the predictions; its suffix tells the format. "-": stdout, as CSV.
  int cpus = 0, gpus = 0;  // 0, 0: as the server likes.
  bool upload = false;     // The data are here: sends them first.
  bool detach = false;     // Says which job it is, and leaves.
  bool skip_unmatched = false;  // Leave out images without a label and labels without an image,
  bool skip_corrupt = false;    // and images that cannot be decoded.
};
// Measures models on samples with labels; writes their predictions where a file is named.
absl::StatusOr<ExitCode> Evaluate(Context& context, const EvaluateOptions& options);
// Writes predictions. Without `file`: to stdout where that is no terminal, else to a file named
// after the model.
absl::StatusOr<ExitCode> Predict(Context& context, const EvaluateOptions& options);

struct VerifyOptions {
  std::string job;
  bool resume_check = false;  // Interrupt the second run once, at a random step.
};
// Runs a training job a second time and compares the weights' digests.
absl::StatusOr<ExitCode> Verify(Context& context, const VerifyOptions& options);

// What names a data set on the command line.
struct DataOptions {
  std::vector<std::string> paths;  // At least one; a name that is registered stands alone.
  std::string table;               // Labels the images that `paths` are.
  std::string id;                  // Columns of the table, as in Files.
  std::string split;
  std::vector<std::string> file;
  std::string weight;
  std::string target;           // The column with the class.
  bool skip_unmatched = false;  // As in EvaluateOptions.
  bool skip_corrupt = false;
};
struct AddDatasetOptions {
  std::string name;
  DataOptions data;
  std::string description;
  bool upload = false;  // The paths are here: sends them first.
};
absl::StatusOr<ExitCode> AddDataset(Context& context, const AddDatasetOptions& options);
absl::StatusOr<ExitCode> ListDatasets(Context& context);
absl::StatusOr<ExitCode> ShowDataset(Context& context, const DataOptions& options);
struct PreviewDatasetOptions {
  DataOptions data;
  std::string file;   // The PNG to write; "-": stdout.
  int per_class = 0;  // 0, here and below: as the server likes.
  int tile_size = 0;
  double center_crop = 0;
  std::string only_split;
  uint64_t seed = 0;
};
absl::StatusOr<ExitCode> PreviewDataset(Context& context, const PreviewDatasetOptions& options);
absl::StatusOr<ExitCode> DeleteDatasets(Context& context, const std::vector<std::string>& names);

absl::StatusOr<ExitCode> ListModels(Context& context);
absl::StatusOr<ExitCode> ShowModel(Context& context, const std::string& what);
struct ImportOptions {
  std::string file;          // Safetensors.
  std::string architecture;  // See ParseArchitecture.
  bool cifar_stem = false;   // As in v1.Resnet.
  int width = 0;             // 0: the usual one.
  std::string name;          // Empty: after the architecture.
  std::string classes;       // "a,b,c", or a file with one a line; empty: numbers.
  int size = 224;
  double center_crop = 0;              // 0: all of the image.
  std::string normalize = "imagenet";  // Or "none".
  std::string source;                  // Empty: the file's name.
  bool dry_run = false;
};
// Makes a version of a model of published weights; prints its name.
absl::StatusOr<ExitCode> ImportModel(Context& context, const ImportOptions& options);
struct AliasOptions {
  std::string model;  // With `remove`: NAME@ALIAS.
  std::string alias;
  bool remove = false;
};
absl::StatusOr<ExitCode> AliasModel(Context& context, const AliasOptions& options);
absl::StatusOr<ExitCode> DeleteModels(Context& context, const std::vector<std::string>& names);
// Removes what the server's retention policy no longer keeps, or says what that would be.
absl::StatusOr<ExitCode> CollectGarbage(Context& context, bool dry_run);
absl::StatusOr<ExitCode> Queue(Context& context);
absl::StatusOr<ExitCode> Info(Context& context);
absl::StatusOr<ExitCode> Version(Context& context);

// Keeps a bearer token for a server on TCP, after the server took it; forgets it.
absl::StatusOr<ExitCode> Login(Context& context);
absl::StatusOr<ExitCode> Logout(Context& context);

// Examines the way to the server and the server, and names what is broken with the fix.
absl::StatusOr<ExitCode> RunDoctor(Context& context);

struct DialStdioOptions {
  std::string socket;  // Empty: the default one.
};
// Joins stdin and stdout with the daemon's socket: the node's end of an ssh:// server.
absl::StatusOr<ExitCode> DialStdio(Context& context, const DialStdioOptions& options);

// What a shell needs to know of a command.
struct CommandHelp {
  std::string name;
  std::string what;
  std::vector<std::string> options;   // "--output".
  std::vector<CommandHelp> commands;  // Of a group, as "datasets".
};
absl::StatusOr<ExitCode> Completion(Context& context, const std::string& shell,
                                    const std::vector<CommandHelp>& commands);

}  // namespace skytrain::client
