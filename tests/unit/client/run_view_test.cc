#include "client/render/run_view.h"
#include "client/render/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "client/render/job_text.h"
#include "client/render/live_lines.h"

namespace skytrain::client {
namespace {

using ::testing::HasSubstr;

v1::Event Metrics(uint32_t epoch, std::vector<std::pair<std::string, double>> points) {
  v1::Event event;
  v1::MetricBatch& batch = *event.mutable_metrics();
  for (const auto& [name, value] : points) {
    batch.add_names(name);
    batch.add_name(batch.names_size() - 1);
    batch.add_step(epoch * 10);
    batch.add_epoch(epoch);
    batch.add_value(value);
  }
  return event;
}

v1::Event Progress(int epoch, int64_t done) {
  v1::Event event;
  v1::Progress& progress = *event.mutable_progress();
  progress.set_phase("train");
  progress.set_epoch(epoch);
  progress.set_epochs(4);
  progress.set_done(done);
  progress.set_total(10);
  progress.set_images_per_second(346);
  progress.set_eta_seconds(92);
  return event;
}

v1::Event State(v1::JobState to, const std::string& message = "") {
  v1::Event event;
  event.mutable_state()->set_to(to);
  event.mutable_state()->set_message(message);
  return event;
}

TEST(RunView, WarnsOfImagesThatBothTrainAndTest) {
  v1::Event event;
  v1::DataSummary& data = *event.mutable_data();
  data.set_train(30);
  data.set_test(10);
  data.set_leaked(5);
  for (const char* id : {"b", "d", "f", "h", "j"}) {
    data.add_leaked_names(absl::StrCat(id, " (test) is a (train)"));
  }
  RunView view(Terminal{});
  EXPECT_EQ(view.Apply(event),
            "data: 30 train, 10 test\nwarning: 5 images of validation or test are also in train: "
            "b (test) is a (train); d (test) is a (train); f (test) is a (train); …\n");
  JobDetails details;
  details.Apply(event);
  EXPECT_THAT(JobText({}, details, absl::UnixEpoch(), Terminal{}),
              HasSubstr("5 images of validation or test are also in train: b (test)"));
}

TEST(RunView, OffATerminalOneLineAnEpoch) {
  RunView view(Terminal{});
  EXPECT_EQ(view.Apply(State(v1::RUNNING, "on cpu:0")), "running  on cpu:0\n");
  EXPECT_EQ(view.Apply(Progress(1, 5)), "");
  EXPECT_EQ(view.Apply(Metrics(1, {{"train/loss", 0.5}})), "");
  EXPECT_EQ(view.Apply(Metrics(1, {{"val/loss", 0.75}, {"val/accuracy", 0.25}})), "");
  EXPECT_EQ(view.Apply(Metrics(1, {{"val/balanced_accuracy", 0.125}})), "");
  v1::Event checkpoint;
  checkpoint.mutable_checkpoint()->set_step(10);
  EXPECT_EQ(view.Apply(checkpoint),
            "epoch 1/4  train loss 0.500  val loss 0.750  val acc 0.250  bal 0.125  346 img/s  "
            "ETA 1m32s\n");
  EXPECT_EQ(view.Apply(checkpoint), "") << "once";
  view.Apply(Metrics(2, {{"val/accuracy", 0.5}}));
  EXPECT_THAT(view.Apply(Progress(3, 0)), HasSubstr("epoch 2/4"))
      << "with no checkpoint in between";
}

TEST(RunView, OnATerminalTheBarAndTheCurve) {
  RunView view(Terminal{.interactive = true, .width = 120});
  EXPECT_TRUE(view.Live().empty());
  view.Apply(State(v1::RUNNING));
  view.Apply(Progress(2, 0));
  view.Apply(Metrics(1, {{"train/loss", 0.412}, {"val/accuracy", 0.4}}));
  view.Apply(Metrics(2, {{"val/accuracy", 0.84}}));
  EXPECT_EQ(view.Live(),
            (std::vector<std::string>{
                "epoch 2/4 ━━━━━━━━╺━━━━━━━━━━━━━━━━━━━━━  train loss 0.412  val acc 0.840  "
                "346 img/s  ETA 1m32s",
                "  val/accuracy  0.40 ▁█ 0.84"}));
  view.Apply(State(v1::SUCCEEDED));
  EXPECT_TRUE(view.Live().empty());
}

TEST(RunView, OnANarrowTerminalTheBarGivesWayToTheNumbers) {
  for (const auto& [width, has_bar] : std::vector<std::pair<int, bool>>{{75, true}, {67, false}}) {
    RunView view(Terminal{.interactive = true, .width = width});
    view.Apply(State(v1::RUNNING));
    view.Apply(Progress(2, 0));
    view.Apply(Metrics(1, {{"train/loss", 0.412}, {"val/loss", 0.7}, {"val/accuracy", 0.84}}));
    ASSERT_EQ(view.Live().size(), 1u);
    EXPECT_THAT(view.Live()[0], HasSubstr("train loss 0.412  val acc 0.840  346 img/s  ETA 1m32s"));
    EXPECT_LE(DisplayWidth(view.Live()[0]), width);
    EXPECT_EQ(view.Live()[0].find("━") != std::string::npos, has_bar);
  }
}

TEST(LiveLines, AreDrawnInPlaceBelowWhatStays) {
  LiveLines live(Terminal{.interactive = true, .width = 10});
  EXPECT_EQ(live.Draw({"one", "a line that is too long"}), "one\na line t…\n");
  EXPECT_EQ(live.Draw({"two"}), "\x1b[2A\r\x1b[Jtwo\n");
  EXPECT_EQ(live.Above("stays\n"), "\x1b[1A\r\x1b[Jstays\n");
  EXPECT_EQ(live.Clear(), "");
}

TEST(LiveLines, OffATerminalNothingIsDrawn) {
  LiveLines live(Terminal{});
  EXPECT_EQ(live.Draw({"one"}), "");
  EXPECT_EQ(live.Above("stays\n"), "stays\n");
}

v1::Job Finished(v1::JobState state) {
  v1::Job job;
  job.set_name("jobs/galaxies-7k2m");
  job.set_state(state);
  job.set_owner("ana");
  job.mutable_experiment()->mutable_data()->set_dataset("/data/gz2.tar");
  job.mutable_start_time()->set_seconds(1000);
  job.mutable_end_time()->set_seconds(1168);
  return job;
}

TEST(JobText, SuccessHasTheTestResultAndTheWayToTheModel) {
  v1::Job job = Finished(v1::SUCCEEDED);
  job.set_model("models/galaxies-7k2m/versions/1");
  v1::Attempt& attempt = *job.add_attempts();
  attempt.set_number(1);
  attempt.set_end(v1::COMPLETED);
  JobDetails details;
  details.data.emplace();
  details.data->set_train(1777);
  details.data->set_validation(197);
  details.data->set_test(3);
  details.data->add_classes("round");
  details.data->add_classes("spiral");
  v1::EvaluationReport& report = details.reports["test"];
  report.set_split("test");
  report.set_count(3);
  report.set_loss(0.5);
  report.set_accuracy(2.0 / 3);
  report.set_balanced_accuracy(0.75);
  for (const char* name : {"round", "spiral"}) report.add_classes(name);
  for (const int count : {1, 1, 0, 1}) report.add_confusion_matrix(count);
  for (const double recall : {0.5, 1.0}) report.add_recall(recall);
  details.model.emplace();
  details.model->set_size_bytes(44'700'000);
  details.model->set_sha256("3f9caaaaaae1");
  EXPECT_EQ(JobText(job, details, absl::UnixEpoch(), Terminal{}),
            "galaxies-7k2m  SUCCEEDED in 2m48s   test accuracy 0.667  balanced 0.750  loss 0.500  "
            "(3 samples)\n"
            "  label \\ prediction  round  spiral  recall\n"
            "  round                   1       1   0.500\n"
            "  spiral                  0       1   1.000\n"
            "  data      /data/gz2.tar: 1,777 train, 197 validation, 3 test; 2 classes\n"
            "  owner     ana\n"
            "  model     models/galaxies-7k2m/versions/1  44.7 MB  sha256 3f9c…e1\n"
            "  fetch     skytrain fetch galaxies-7k2m -o DIR\n");
}

TEST(JobText, FailureSaysWhatWhereAndWhy) {
  v1::Job job = Finished(v1::FAILED);
  job.mutable_termination()->set_reason(v1::NON_FINITE_LOSS);
  job.mutable_termination()->set_message("The training loss became NaN.\nTry a smaller lr.");
  job.mutable_progress()->set_epoch(4);
  job.mutable_progress()->set_step(211);
  v1::Attempt& attempt = *job.add_attempts();
  attempt.set_number(1);
  attempt.set_end(v1::NON_FINITE_LOSS);
  attempt.mutable_start_time()->set_seconds(1000);
  attempt.mutable_end_time()->set_seconds(1168);
  attempt.add_devices("cpu:0");
  JobDetails details;
  details.checkpoint.emplace();
  details.checkpoint->set_step(180);
  EXPECT_EQ(JobText(job, details, absl::UnixEpoch(), Terminal{}),
            "galaxies-7k2m  FAILED  NON_FINITE_LOSS  at epoch 4, step 211 (attempt 1)\n"
            "  The training loss became NaN.\n"
            "  Try a smaller lr.\n"
            "  Last checkpoint: step 180\n"
            "  data      /data/gz2.tar\n"
            "  owner     ana\n"
            "  attempt 1 NON_FINITE_LOSS after 2m48s, on cpu:0\n");
}

TEST(AcceptedText, SaysWhatWillRun) {
  v1::CreateJobResponse response;
  v1::Job& job = *response.mutable_job();
  job.set_name("jobs/galaxies-7k2m");
  job.set_state(v1::QUEUED);
  job.set_queue_position(1);
  job.set_data_warning("33 cigar_shaped: consider class_weights");
  job.mutable_experiment()->mutable_data()->set_dataset("/data/gz2.tar");
  v1::Estimate& estimate = *response.mutable_estimate();
  estimate.set_parameters(11'181'642);
  estimate.set_memory_bytes(1'100'000'000);
  estimate.set_train_samples(1777);
  estimate.set_steps_per_epoch(13);
  estimate.set_epoch_seconds(4.96);
  estimate.add_classes("round");
  estimate.add_classes("spiral");
  EXPECT_EQ(AcceptedText(response, /*dry_run=*/false),
            "galaxies-7k2m  accepted  /data/gz2.tar: 1,777 train; 2 classes\n"
            "               look at   33 cigar_shaped: consider class_weights\n"
            "               estimate  11.2 M parameters, 1.1 GB, 13 steps an epoch\n"
            "               time      about 5.0s an epoch on 2 CPU cores (a guess from the "
            "processor, maybe off by 3 times: no job was measured here yet)\n"
            "               queued    position 1\n");
  estimate.set_epoch_seconds(75);
  estimate.set_speed_measured(true);
  job.mutable_experiment()->mutable_resources()->set_gpus(1);
  EXPECT_THAT(
      AcceptedText(response, /*dry_run=*/true),
      ::testing::HasSubstr("time      about 1m15s an epoch on 1 GPU (as earlier jobs here ran)\n"));
}

}  // namespace
}  // namespace skytrain::client
