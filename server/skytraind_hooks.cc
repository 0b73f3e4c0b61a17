#include "server/skytraind_hooks.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/timestamp.h"
#include "server/auth/peers.h"
#include "server/hooks/payload.h"
#include "server/log.h"

namespace skytrain {
namespace {

void Log(absl::string_view line) { LogWarning("hooks", {{"message", std::string(line)}}); }

std::vector<HookSender::Receiver> ReceiversOf(const Config& config) {
  std::vector<HookSender::Receiver> receivers;
  for (const Hook& hook : config.hooks) {
    if (const absl::Status status = CheckHook(hook); !status.ok()) {
      Log(absl::StrCat("hook '", hook.name, "' cannot work: ", status.message()));
    }
    receivers.push_back({hook.name, hook.max_age, MakeHookTransport(hook)});
  }
  return receivers;
}

// What a job that succeeded just now would send.
HookRow Sample(const Hook& hook) {
  const auto now = ToTimestamp(Clock::Real().Now());
  v1::Job job;
  job.set_name("jobs/hook-test");
  job.set_uid(absl::StrCat("hook-test-", NewUid()));
  job.set_owner(UserName(geteuid()));
  job.set_state(v1::SUCCEEDED);
  *job.mutable_create_time() = *job.mutable_start_time() = *job.mutable_end_time() = now;
  job.mutable_termination()->set_reason(v1::COMPLETED);
  job.mutable_termination()->set_message("a test of this hook: there is no such job");
  v1::Event event;
  event.set_seq(1);
  event.set_attempt(1);
  *event.mutable_time() = now;
  event.mutable_state()->set_from(v1::RUNNING);
  event.mutable_state()->set_to(v1::SUCCEEDED);
  event.mutable_state()->set_message(job.termination().message());
  return MakeHookRow(hook.name, job, event);
}

// Null: a message has been printed.
const Hook* FindHook(const Config& config, const std::string& name) {
  std::vector<std::string> names;
  for (const Hook& hook : config.hooks) {
    if (hook.name == name) return &hook;
    names.push_back(hook.name);
  }
  const std::string nearest = NearestName(name, names);
  std::cerr << "skytraind hook: there is no hook '" << name << "' in the configuration"
            << (nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?"))
            << std::endl;
  return nullptr;
}

}  // namespace

DaemonHooks::DaemonHooks(const Config& config, Database& database, AuditLog& audit,
                         HookMetrics& metrics)
    : audit_(audit),
      metrics_(metrics),
      any_(!config.hooks.empty()),
      outbox_(OutboxOptions(config)),
      sender_(SenderOptions(), ReceiversOf(config), database, Clock::Real()) {}

StateOutbox DaemonHooks::outbox() {
  if (!any_) return {};
  return {
      [this](const v1::Job& job, const v1::Event& change) { return outbox_.RowsFor(job, change); },
      [this] { sender_.Wake(); }, [this](const std::vector<HookRow>& rows) { outbox_.Lose(rows); }};
}

HookOutbox::Options DaemonHooks::OutboxOptions(const Config& config) {
  HookOutbox::Options options;
  options.hooks = config.hooks;
  options.stored_bytes = [this] { return sender_.stored_bytes(); };
  options.on_dropped = [this](const HookRow& row) { metrics_.Count(row.hook, "dropped"); };
  options.log = Log;
  return options;
}

HookSender::Options DaemonHooks::SenderOptions() {
  HookSender::Options options;
  options.report = [this](const HookReport& report) { Report(report); };
  options.on_pending = [this](const std::string& hook, int64_t pending) {
    metrics_.SetPending(hook, static_cast<double>(pending));
  };
  options.log = Log;
  return options;
}

void DaemonHooks::Report(const HookReport& report) {
  switch (report.outcome) {
    case HookReport::Outcome::kDelivered:
      return metrics_.Count(report.hook, "delivered");
    case HookReport::Outcome::kFailed:
      metrics_.Count(report.hook, "failed");
      return LogWarning(
          "hook_failed",
          {{"hook", report.hook},
           {"job", report.job_id},
           {"delivery", report.delivery},
           {"try", absl::StrCat(report.tries)},
           {"again_in", absl::FormatDuration(absl::Trunc(report.pause, absl::Milliseconds(100)))},
           {"message", report.message}});
    case HookReport::Outcome::kGivenUp:
      metrics_.Count(report.hook, "given_up");
      audit_.Write({"", "", "", absl::StrCat("hook/", report.hook),
                    report.job_id.empty() ? "" : JobName(report.job_id), "ABORTED",
                    "HOOK_GIVEN_UP"});
      return LogError("hook_given_up", {{"hook", report.hook},
                                        {"job", report.job_id},
                                        {"delivery", report.delivery},
                                        {"tries", absl::StrCat(report.tries)},
                                        {"message", report.message}});
  }
}

int RunHookCommand(int argc, char** argv, const Surroundings& surroundings) {
  CLI::App app("Hooks: who is told of changes of jobs' states.", "skytraind hook");
  app.require_subcommand(1);
  app.fallthrough();
  std::string file;
  std::string name;
  app.add_option("--config", file, "The daemon's YAML file")->required();
  CLI::App* test = app.add_subcommand("test", "Send a sample, as the daemon would");
  test->add_option("name", name, "The hook's name in the file")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 has no other way to say it.
    return app.exit(error) == 0 ? 0 : 2;
  }
  Config config;
  absl::Status status = ApplyConfigFile(file, &config);
  if (status.ok()) status = CompleteConfig(surroundings, &config);
  if (!status.ok()) {
    std::cerr << "skytraind hook: " << status.message() << std::endl;
    return 2;
  }
  const Hook* hook = FindHook(config, name);
  if (hook == nullptr) return 2;
  status = CheckHook(*hook);
  const HookRow row = Sample(*hook);
  if (status.ok()) status = MakeHookTransport(*hook)->Deliver(row, /*cancel_fd=*/-1);
  if (!status.ok()) {
    std::cerr << "hook '" << name << "' was not told: " << status.message() << std::endl;
    return 1;
  }
  std::cout << "hook '" << name << "' was told: delivery "
            << DeliveryId(row.job_uid, row.seq, row.hook) << ", " << row.payload.size() << " bytes"
            << std::endl;
  return 0;
}

}  // namespace skytrain
