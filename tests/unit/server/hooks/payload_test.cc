#include "server/hooks/payload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace skytrain {
namespace {

v1::Job FailedJob() {
  v1::Job job;
  job.set_name("jobs/galaxies-7k2m");
  job.set_uid("01jd");
  job.set_owner("ana");
  auto& labels = *job.mutable_experiment()->mutable_labels();
  labels["run"] = "x";
  labels["group"] = "\"a\"";
  job.set_state(v1::FAILED);
  job.mutable_create_time()->set_seconds(1'700'000'000);
  job.mutable_start_time()->set_seconds(1'700'000'001);
  job.mutable_end_time()->set_seconds(1'700'000'100);
  job.mutable_end_time()->set_nanos(250'000'000);
  job.mutable_termination()->set_reason(v1::NON_FINITE_LOSS);
  job.mutable_termination()->set_message("The loss became NaN.");
  job.mutable_progress()->set_epoch(4);
  job.mutable_progress()->set_epochs(30);
  job.mutable_progress()->set_step(211);
  (*job.mutable_metrics())["val/accuracy"] = 0.25;
  (*job.mutable_metrics())["train/loss"] = std::numeric_limits<double>::quiet_NaN();
  return job;
}

v1::Event Failure() {
  v1::Event event;
  event.set_seq(7);
  event.set_attempt(1);
  *event.mutable_time() = FailedJob().end_time();
  event.mutable_state()->set_from(v1::RUNNING);
  event.mutable_state()->set_to(v1::FAILED);
  event.mutable_state()->set_message("The loss became NaN.");
  event.mutable_state()->set_attempt_end(v1::NON_FINITE_LOSS);
  return event;
}

TEST(HookPayload, SaysWhatShowSays) {
  const HookRow row = MakeHookRow("notify", FailedJob(), Failure());
  EXPECT_EQ(row.hook, "notify");
  EXPECT_EQ(row.job_uid, "01jd");
  EXPECT_EQ(row.job_id, "galaxies-7k2m");
  EXPECT_EQ(row.seq, 7);
  EXPECT_EQ(row.create_time, 1'700'000'100);
  EXPECT_EQ(
      row.payload,
      R"({"id":"01jd/7/notify","hook":"notify","seq":7,"time":"2023-11-14T22:15:00.25Z",)"
      R"("from":"RUNNING","to":"FAILED","message":"The loss became NaN.","attempt":1,)"
      R"("attempt_end":"NON_FINITE_LOSS","job":{"name":"galaxies-7k2m","uid":"01jd","owner":"ana",)"
      R"("labels":{"group":"\"a\"","run":"x"},"state":"FAILED",)"
      R"("create_time":"2023-11-14T22:13:20Z","start_time":"2023-11-14T22:13:21Z",)"
      R"("end_time":"2023-11-14T22:15:00.25Z","termination":{"reason":"NON_FINITE_LOSS",)"
      R"("message":"The loss became NaN.","cancelled":false},)"
      R"("progress":{"epoch":4,"epochs":30,"step":211},)"
      R"("metrics":{"train/loss":"NaN","val/accuracy":0.25}}})");
}

TEST(HookPayload, LeavesOutWhatIsNotKnown) {
  v1::Job job;
  job.set_name("jobs/new");
  job.set_uid("u");
  job.set_state(v1::QUEUED);
  v1::Event event;
  event.set_seq(1);
  event.mutable_state()->set_to(v1::QUEUED);
  const auto payload = nlohmann::json::parse(MakeHookRow("h", job, event).payload);
  for (const char* key : {"from", "attempt", "attempt_end", "truncated"}) {
    EXPECT_FALSE(payload.contains(key)) << key;
  }
  EXPECT_EQ(payload["job"]["labels"], nlohmann::json::object());
  EXPECT_FALSE(payload["job"].contains("termination"));
}

TEST(HookPayload, IsCutWhereItWouldBeLarge) {
  v1::Job job = FailedJob();
  (*job.mutable_experiment()->mutable_labels())["long"] = std::string(64 << 10, 'x');
  v1::Event event = Failure();
  std::string message;
  while (message.size() < (128 << 10)) message += "ü";
  event.mutable_state()->set_message(message);
  job.mutable_termination()->set_message(message);
  const HookRow row = MakeHookRow("notify", job, event);
  EXPECT_LT(row.payload.size(), 8u << 10);
  const auto payload = nlohmann::json::parse(row.payload);
  EXPECT_EQ(payload["truncated"], true);
  EXPECT_EQ(payload["to"], "FAILED");
  EXPECT_EQ(payload["job"]["termination"]["reason"], "NON_FINITE_LOSS");
  EXPECT_FALSE(payload["job"].contains("labels"));
}

}  // namespace
}  // namespace skytrain
