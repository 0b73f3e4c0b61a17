#include "server/hooks/payload.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/timestamp.h"
#include "common/utf8.h"

namespace skytrain {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxBytes = 32 << 10;
constexpr size_t kCutMessageBytes = 2 << 10;

std::string JobIdOf(const v1::Job& job) {
  return std::string(absl::StripPrefix(job.name(), "jobs/"));
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", ToTime(time), absl::UTCTimeZone());
}

// JSON has no such numbers.
Json Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

std::string Message(const std::string& text, bool whole) {
  return whole ? text : std::string(Utf8Prefix(text, kCutMessageBytes));
}

// Maps of protobuf have no order, and the same change must give the same bytes.
template <typename Map>
Json Sorted(const Map& map, auto&& to_json) {
  Json object = Json::object();
  for (const auto& [key, value] :
       std::map<std::string, typename Map::mapped_type>(map.begin(), map.end())) {
    object[key] = to_json(value);
  }
  return object;
}

Json TerminationJson(const v1::Termination& termination, bool whole) {
  Json json = Json::object();
  if (termination.reason() != v1::ATTEMPT_END_UNSPECIFIED) {
    json["reason"] = v1::AttemptEnd_Name(termination.reason());
  }
  json["message"] = Message(termination.message(), whole);
  json["cancelled"] = termination.cancelled();
  return json;
}

Json JobJson(const v1::Job& job, bool whole) {
  Json json = Json::object();
  json["name"] = JobIdOf(job);
  json["uid"] = job.uid();
  json["owner"] = job.owner();
  if (whole) {
    json["labels"] =
        Sorted(job.experiment().labels(), [](const std::string& value) { return value; });
  }
  json["state"] = v1::JobState_Name(job.state());
  json["create_time"] = TimeText(job.create_time());
  if (job.has_start_time()) json["start_time"] = TimeText(job.start_time());
  if (job.has_end_time()) json["end_time"] = TimeText(job.end_time());
  if (job.has_termination()) json["termination"] = TerminationJson(job.termination(), whole);
  if (job.has_progress()) {
    json["progress"] = {{"epoch", job.progress().epoch()},
                        {"epochs", job.progress().epochs()},
                        {"step", job.progress().step()}};
  }
  if (whole && job.metrics_size() > 0) json["metrics"] = Sorted(job.metrics(), Number);
  if (!job.model().empty()) json["model"] = job.model();
  return json;
}

std::string Payload(absl::string_view hook, const v1::Job& job, const v1::Event& event,
                    bool whole) {
  const v1::StateChange& change = event.state();
  Json json = Json::object();
  json["id"] = DeliveryId(job.uid(), event.seq(), hook);
  json["hook"] = std::string(hook);
  json["seq"] = event.seq();
  json["time"] = TimeText(event.time());
  if (change.from() != v1::JOB_STATE_UNSPECIFIED) json["from"] = v1::JobState_Name(change.from());
  json["to"] = v1::JobState_Name(change.to());
  json["message"] = Message(change.message(), whole);
  if (event.attempt() > 0) json["attempt"] = event.attempt();
  if (change.attempt_end() != v1::ATTEMPT_END_UNSPECIFIED) {
    json["attempt_end"] = v1::AttemptEnd_Name(change.attempt_end());
  }
  json["job"] = JobJson(job, whole);
  if (!whole) json["truncated"] = true;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string DeliveryId(absl::string_view job_uid, int64_t seq, absl::string_view hook) {
  return absl::StrCat(job_uid, "/", seq, "/", hook);
}

HookRow MakeHookRow(absl::string_view hook, const v1::Job& job, const v1::Event& change) {
  HookRow row;
  row.hook = std::string(hook);
  row.job_uid = job.uid();
  row.job_id = JobIdOf(job);
  row.seq = change.seq();
  row.create_time = change.time().seconds();
  row.payload = Payload(hook, job, change, /*whole=*/true);
  if (row.payload.size() > kMaxBytes) row.payload = Payload(hook, job, change, /*whole=*/false);
  return row;
}

}  // namespace skytrain
