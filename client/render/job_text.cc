#include "client/render/job_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/render/format.h"
#include "client/render/lr_curve.h"
#include "client/render/report.h"
#include "common/job_states.h"
#include "common/timestamp.h"

namespace skytrain::client {
namespace {

std::string Indented(absl::string_view text) {
  std::string indented;
  for (absl::string_view line : absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
    absl::StrAppend(&indented, "  ", line, "\n");
  }
  return indented;
}

std::string Field(absl::string_view label, absl::string_view text) {
  return absl::StrCat("  ", label, std::string(label.size() < 10 ? 10 - label.size() : 1, ' '),
                      text, "\n");
}

std::string StateText(v1::JobState state, const Terminal& terminal) {
  const std::string name = v1::JobState_Name(state);
  switch (state) {
    case v1::SUCCEEDED:
      return terminal.Green(name);
    case v1::FAILED:
      return terminal.Red(name);
    case v1::CANCELLED:
    case v1::STOPPING:
    case v1::SUSPENDED:
      return terminal.Yellow(name);
    default:
      return terminal.Bold(name.empty() ? absl::StrCat(static_cast<int>(state)) : name);
  }
}

// A value that this client has no name for comes from a newer server.
std::string EndName(v1::AttemptEnd end) {
  const std::string& name = v1::AttemptEnd_Name(end);
  return name.empty() ? absl::StrCat("end ", static_cast<int>(end)) : name;
}

std::string Where(const v1::Job& job) {
  std::vector<std::string> parts;
  if (job.progress().epoch() > 0) parts.push_back(absl::StrCat("epoch ", job.progress().epoch()));
  if (job.progress().step() > 0) {
    parts.push_back(absl::StrCat("step ", FormatCount(job.progress().step())));
  }
  std::string text = parts.empty() ? "" : absl::StrCat("at ", absl::StrJoin(parts, ", "));
  if (job.attempts_size() > 0) {
    absl::StrAppend(&text, text.empty() ? "" : " ", "(attempt ",
                    job.attempts(job.attempts_size() - 1).number(), ")");
  }
  return text;
}

// Why a queued job waits, and when it might start.
std::string QueueText(const v1::Job& job, absl::Time now) {
  std::string text = Printable(job.queue_reason());
  if (job.has_expected_start_time()) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", "starts ",
                    StartText(ToTime(job.expected_start_time()), now));
  }
  return text;
}

std::string Headline(const v1::Job& job, const JobDetails& details, const Terminal& terminal) {
  std::string line =
      absl::StrCat(terminal.Bold(ShortName(job.name())), "  ", StateText(job.state(), terminal));
  if (job.state() == v1::SUCCEEDED) {
    if (job.has_start_time() && job.has_end_time()) {
      absl::StrAppend(&line, " in ", FormatSpan(ToTime(job.end_time()) - ToTime(job.start_time())));
    }
    if (const auto* report = details.Final()) absl::StrAppend(&line, "   ", ReportLine(*report));
  } else if (job.state() == v1::FAILED) {
    absl::StrAppend(&line, "  ", EndName(job.termination().reason()), "  ", Where(job));
  } else if (job.state() == v1::QUEUED) {
    if (job.queue_position() > 0) absl::StrAppend(&line, "  position ", job.queue_position());
  } else if (job.state() == v1::SUSPENDED) {
    absl::StrAppend(&line, "  ", Where(job), Where(job).empty() ? "" : "  ",
                    "goes on with: skytrain resume ", ShortName(job.name()));
  } else if (!IsTerminal(job.state())) {
    absl::StrAppend(&line, "  ", ProgressText(job));
    if (job.progress().images_per_second() > 0) {
      absl::StrAppend(&line, "  ",
                      FormatCount(static_cast<int64_t>(job.progress().images_per_second())),
                      " img/s");
    }
    if (job.progress().eta_seconds() >= 1) {
      absl::StrAppend(&line, "  ETA ", FormatSpan(absl::Seconds(job.progress().eta_seconds())));
    }
  }
  return absl::StrCat(line, "\n");
}

std::string DataPath(const v1::Data& data) {
  if (data.has_files()) {
    return absl::StrCat(absl::StrJoin(data.files().images(), ", "), " with ", data.files().table());
  }
  return data.dataset();
}

std::string DataText(const v1::Job& job, const JobDetails& details) {
  std::string text =
      DataPath(job.has_evaluation() ? job.evaluation().data() : job.experiment().data());
  if (details.data.has_value() && !job.has_evaluation()) {
    const v1::DataSummary& data = *details.data;
    absl::StrAppend(&text, ": ",
                    SplitsText(data.train(), data.validation(), data.test(), data.classes_size()));
    if (data.noisy_labels() > 0) {
      absl::StrAppend(&text, "; ", FormatCount(data.noisy_labels()), " labels changed");
    }
    if (data.skipped() > 0) {
      absl::StrAppend(&text, "; ", FormatCount(data.skipped()), " skipped");
    }
  }
  return Printable(text);
}

std::string AttemptText(const v1::Attempt& attempt, absl::Time now) {
  std::string text =
      attempt.end() == v1::ATTEMPT_END_UNSPECIFIED ? "running" : EndName(attempt.end());
  if (attempt.has_start_time()) {
    const absl::Time end = attempt.has_end_time() ? ToTime(attempt.end_time()) : now;
    absl::StrAppend(&text, attempt.has_end_time() ? " after " : " for ",
                    FormatSpan(end - ToTime(attempt.start_time())));
  }
  if (attempt.resumed_from_step() > 0) {
    absl::StrAppend(&text, ", from step ", FormatCount(attempt.resumed_from_step()));
  }
  if (attempt.devices_size() > 0)
    absl::StrAppend(&text, ", on ", absl::StrJoin(attempt.devices(), ", "));
  if (!attempt.message().empty()) absl::StrAppend(&text, ": ", Printable(attempt.message()));
  return absl::StrReplaceAll(text, {{"\n", "\n            "}});
}

std::string MetricsText(const v1::Job& job) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : job.metrics()) {
    parts.push_back(absl::StrCat(Printable(name), " ", FormatMetric(value)));
  }
  std::sort(parts.begin(), parts.end());
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : i % 3 == 0 ? "\n            " : "   ", parts[i]);
  }
  return text;
}

std::string ModelText(const v1::Job& job, const JobDetails& details) {
  if (job.model().empty() || job.has_evaluation()) return "";
  std::string text = job.model();
  if (details.model.has_value()) {
    absl::StrAppend(&text, "  ", FormatBytes(details.model->size_bytes()), "  sha256 ",
                    FormatSha256(details.model->sha256()));
  }
  return absl::StrCat(
      Field("model", text),
      Field("fetch", absl::StrCat("skytrain fetch ", ShortName(job.name()), " -o DIR")));
}

std::string FailureText(const v1::Job& job, const JobDetails& details) {
  std::string text = Indented(Printable(job.termination().message()));
  if (details.checkpoint.has_value() && !job.has_evaluation()) {
    absl::StrAppend(&text, "  Last checkpoint: step ", FormatCount(details.checkpoint->step()),
                    "\n");
  }
  return text;
}

// "about 5 s an epoch on 2 CPU cores".
std::string TimeText(const v1::Job& job, const v1::Estimate& estimate) {
  const v1::Resources& resources = job.experiment().resources();
  std::string where = Plural(resources.gpus(), "GPU");
  // What the server gives to a job that asks for nothing.
  if (resources.gpus() == 0)
    where = Plural(resources.cpus() > 0 ? resources.cpus() : 2, "CPU core");
  return absl::StrCat("about ", FormatSpan(absl::Seconds(std::max(1.0, estimate.epoch_seconds()))),
                      " an epoch on ", where,
                      estimate.speed_measured()
                          ? " (as earlier jobs here ran)"
                          : " (a guess from the processor, maybe off by 3 times: no job was "
                            "measured here yet)");
}

// "galaxies@3, galaxies@4; turned and mirrored; dropout left on, 20 passes".
std::string EvaluatedText(const v1::Evaluation& evaluation) {
  std::string text = ShortName(evaluation.model());
  for (const std::string& one : evaluation.ensemble()) {
    absl::StrAppend(&text, ", ", ShortName(one));
  }
  if (evaluation.dihedral()) absl::StrAppend(&text, "; turned and mirrored");
  if (evaluation.dropout_samples() > 0) {
    absl::StrAppend(&text, "; dropout left on, ", evaluation.dropout_samples(),
                    evaluation.dropout_samples() == 1 ? " pass" : " passes");
  }
  return text;
}

// What an evaluation wrote, and how to get it.
std::string FilesText(const v1::Job& job) {
  if (job.files().empty() || job.state() != v1::SUCCEEDED) return "";
  std::vector<std::string> files;
  for (const v1::JobFile& file : job.files()) {
    files.push_back(absl::StrCat(Printable(file.name()), "  ", FormatBytes(file.size_bytes())));
  }
  return absl::StrCat(
      Field("wrote", absl::StrJoin(files, ", ")),
      Field("fetch", absl::StrCat("skytrain fetch ", ShortName(job.name()), " -o DIR")));
}

}  // namespace

void JobDetails::Apply(const v1::Event& event) {
  if (event.has_data()) data = event.data();
  if (event.has_report()) reports[event.report().split()] = event.report();
  if (event.has_model()) model = event.model();
  if (event.has_checkpoint()) checkpoint = event.checkpoint();
}

const v1::EvaluationReport* JobDetails::Final() const {
  for (const char* split : {"test", "val", "validation"}) {
    if (const auto found = reports.find(split); found != reports.end()) return &found->second;
  }
  return reports.empty() ? nullptr : &reports.begin()->second;
}

std::string JobText(const v1::Job& job, const JobDetails& details, absl::Time now,
                    const Terminal& terminal) {
  std::string text = Headline(job, details, terminal);
  if (job.state() == v1::FAILED || job.state() == v1::CANCELLED) {
    absl::StrAppend(&text, FailureText(job, details));
  }
  if (const auto* report = details.Final(); report != nullptr && job.state() == v1::SUCCEEDED) {
    absl::StrAppend(&text, Indented(ConfusionTable(*report, terminal.width)));
  }
  if (job.experiment().train().has_find_lr() && job.state() == v1::SUCCEEDED) {
    absl::StrAppend(&text, Field("suggested", SuggestionText(job)));
  }
  if (job.state() == v1::QUEUED) {
    if (const std::string waits = QueueText(job, now); !waits.empty()) {
      absl::StrAppend(&text, Field("queue", waits));
    }
  }
  absl::StrAppend(&text, Field("data", DataText(job, details)));
  if (job.has_evaluation()) absl::StrAppend(&text, Field("of", EvaluatedText(job.evaluation())));
  if (details.data.has_value() && details.data->leaked() > 0) {
    absl::StrAppend(&text, Field("warning", LeakText(*details.data)));
  }
  if (!job.owner().empty()) absl::StrAppend(&text, Field("owner", Printable(job.owner())));
  if (!job.metrics().empty() && !IsTerminal(job.state())) {
    absl::StrAppend(&text, Field("metrics", MetricsText(job)));
  }
  const bool one_good_attempt = job.state() == v1::SUCCEEDED && job.attempts_size() == 1;
  for (const v1::Attempt& attempt : job.attempts()) {
    if (one_good_attempt) break;
    absl::StrAppend(&text,
                    Field(absl::StrCat("attempt ", attempt.number()), AttemptText(attempt, now)));
  }
  if (!IsTerminal(job.state()) && !job.name().empty()) {
    const bool aside = job.state() == v1::SUSPENDED;
    absl::StrAppend(&text, Field(aside ? "go on" : "watch",
                                 absl::StrCat("skytrain ", aside ? "resume " : "watch ",
                                              ShortName(job.name()))));
  }
  return absl::StrCat(text, ModelText(job, details), FilesText(job));
}

std::string SplitsText(int64_t train, int64_t validation, int64_t test, int classes) {
  std::vector<std::string> parts;
  if (train > 0) parts.push_back(absl::StrCat(FormatCount(train), " train"));
  if (validation > 0) parts.push_back(absl::StrCat(FormatCount(validation), " validation"));
  if (test > 0) parts.push_back(absl::StrCat(FormatCount(test), " test"));
  std::string text = absl::StrJoin(parts, ", ");
  if (classes > 0) absl::StrAppend(&text, "; ", classes, " classes");
  return text;
}

std::string LeakText(const v1::DataSummary& data) {
  if (data.leaked() == 0) return "";
  constexpr int kNamed = 3;
  std::vector<std::string> names;
  for (int i = 0; i < data.leaked_names_size() && i < kNamed; ++i) {
    names.push_back(data.leaked_names(i));
  }
  if (data.leaked() > static_cast<int64_t>(names.size())) names.push_back("…");
  return Printable(absl::StrCat(Plural(data.leaked(), "image"), " of validation or test ",
                                data.leaked() == 1 ? "is" : "are", " also in train",
                                names.empty() ? "" : ": ", absl::StrJoin(names, "; ")));
}

std::string AcceptedText(const v1::CreateJobResponse& response, bool dry_run) {
  const v1::Job& job = response.job();
  const v1::Estimate& estimate = response.estimate();
  const std::string name = ShortName(job.name());
  // A dry run has no name yet, unless one was asked for.
  const std::string margin(name.empty() ? 0 : DisplayWidth(name) + 2, ' ');
  const v1::Data& data = job.has_evaluation() ? job.evaluation().data() : job.experiment().data();
  const std::string splits = SplitsText(estimate.train_samples(), estimate.validation_samples(),
                                        estimate.test_samples(), estimate.classes_size());
  std::string text =
      absl::StrCat(name, name.empty() ? "" : "  ", dry_run ? "valid     " : "accepted  ",
                   Printable(DataPath(data)), splits.empty() ? "" : ": ", splits, "\n");
  if (!job.data_warning().empty()) {
    absl::StrAppend(&text, margin, "look at   ", Printable(job.data_warning()), "\n");
  }
  if (estimate.parameters() > 0) {
    absl::StrAppend(&text, margin, "estimate  ", FormatMillions(estimate.parameters()),
                    " parameters");
    if (estimate.memory_bytes() > 0) {
      absl::StrAppend(&text, ", ", FormatBytes(estimate.memory_bytes()));
    }
    if (estimate.steps_per_epoch() > 0) {
      absl::StrAppend(&text, ", ", Plural(estimate.steps_per_epoch(), "step"), " an epoch");
    }
    text += "\n";
  }
  if (estimate.epoch_seconds() > 0) {
    absl::StrAppend(&text, margin, "time      ", TimeText(job, estimate), "\n");
  }
  if (dry_run) return text;
  if (job.state() == v1::QUEUED) {
    absl::StrAppend(&text, margin, "queued    position ", std::max(1, job.queue_position()), "\n");
  }
  return text;
}

std::string ProblemsText(const v1::DatasetManifest& manifest) {
  std::vector<std::string> parts;
  for (const auto& problem : manifest.problems()) {
    const std::string kind = absl::StrReplaceAll(problem.kind(), {{"_", " "}});
    std::string names = absl::StrJoin(problem.names(), ", ");
    if (problem.count() > problem.names_size() && problem.names_size() > 0) names += ", …";
    parts.push_back(absl::StrCat(FormatCount(problem.count()), " ", kind,
                                 names.empty() ? "" : absl::StrCat(" (", Printable(names), ")")));
  }
  return absl::StrJoin(parts, ", ");
}

std::string ProgressText(const v1::Job& job) {
  const v1::JobProgress& progress = job.progress();
  if (progress.epoch() > 0 && progress.epochs() > 0) {
    return absl::StrCat("epoch ", progress.epoch(), "/", progress.epochs());
  }
  if (IsTerminal(job.state()) || progress.phase().empty()) return "–";
  return Printable(progress.phase());
}

}  // namespace skytrain::client
