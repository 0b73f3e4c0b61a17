#include "tests/unit/server/jobs/job_world.h"

#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/jobs/job_state.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

v1::DatasetManifest TwoClasses() {
  v1::DatasetManifest manifest;
  manifest.set_format(v1::DatasetManifest::FORMAT_IMAGE_FOLDER);
  manifest.set_count(1000);
  manifest.set_min_width(96);
  manifest.set_max_width(96);
  manifest.set_min_height(96);
  manifest.set_max_height(96);
  for (const char* name : {"edge_on", "spiral"}) {
    auto* added = manifest.add_classes();
    added->set_name(name);
    added->set_count(500);
  }
  auto* train = manifest.add_splits();
  train->set_name("train");
  train->set_count(1000);
  train->add_class_counts(500);
  train->add_class_counts(500);
  return manifest;
}

}  // namespace

const Caller JobWorld::kAna = {"ana", false};

JobWorld::JobWorld() : JobWorld("", FileSystem::Posix(), "") {}

JobWorld::JobWorld(std::string path, FileSystem& fs, std::string vfs)
    : dir_(path.empty() ? std::make_unique<TempDir>() : nullptr),
      path_(path.empty() ? dir_->path() : std::move(path)),
      fs_(fs),
      vfs_(std::move(vfs)) {
  options_.attempts_dir = path_ + "/attempts";
  options_.lost_and_found_dir = path_ + "/lost+found";
  options_.worker_binary = "/usr/bin/true";
  options_.cpu_slots = 2;
  options_.gpu_devices = {"gpu:0"};
  options_.retry_rules.pause = absl::Milliseconds(1);
  options_.poll_interval = absl::Milliseconds(20);
  options_.manifest = [](const v1::Data&, const std::optional<v1::Task>&, const std::string&) {
    return TwoClasses();
  };
  options_.publish_model = [](const v1::Job& job, int, const std::string&) {
    v1::Model model;
    model.set_name(ModelName{*ParseJobName(job.name()), 1, ""}.ToString());
    return model;
  };
  options_.find_model = [](const std::string&,
                           const std::string& name) -> absl::StatusOr<ModelLocation> {
    return absl::NotFoundError(name);
  };
  launcher_ = std::make_unique<FakeLauncher>(fs_);
}

JobWorld::~JobWorld() { Stop(); }

void JobWorld::Stop() {
  jobs_.reset();
  database_.reset();
}

void JobWorld::Start() {
  const absl::Status started = TryStart();
  ASSERT_TRUE(started.ok()) << started;
}

absl::Status JobWorld::TryStart() {
  Database::Options options;
  options.path = path_ + "/skytrain.db";
  options.vfs = vfs_;
  options.ballast_path = path_ + "/ballast";
  options.ballast_bytes = 1 << 16;
  options.on_fatal = on_fatal_;
  options.log = options_.log;
  ASSIGN_OR_RETURN(database_, Database::Open(options));
  if (on_open_) on_open_(*database_);
  hub_ = std::make_unique<EventHub>();
  jobs_ =
      std::make_unique<JobManager>(options_, *database_, *hub_, *launcher_, *daemon_fs_, *clock_);
  return jobs_->Start();
}

void JobWorld::Restart() {
  Stop();
  Start();
}

v1::CreateJobRequest JobWorld::Request(const std::string& id) {
  v1::CreateJobRequest request;
  request.set_job_id(id);
  v1::Experiment& experiment = *request.mutable_job()->mutable_experiment();
  experiment.set_name("galaxies");
  experiment.mutable_data()->set_dataset("/data/galaxies");
  experiment.mutable_data()->mutable_image()->set_size(64);
  experiment.mutable_task()->mutable_classification();
  experiment.mutable_model()->mutable_resnet()->set_depth(18);
  experiment.mutable_train()->set_epochs(3);
  return request;
}

v1::Job JobWorld::Create(const std::string& id) {
  const auto created = jobs_->Create(kAna, Request(id));
  EXPECT_TRUE(created.ok()) << created.status();
  return created.ok() ? created->job() : v1::Job();
}

v1::Job JobWorld::Get(const std::string& id) {
  const auto job = jobs_->Get(kAna, id);
  EXPECT_TRUE(job.ok()) << job.status();
  return job.ok() ? *job : v1::Job();
}

v1::Job JobWorld::WaitUntil(const std::string& id,
                            const std::function<bool(const v1::Job&)>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  v1::Job job = Get(id);
  while (!condition(job) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    job = Get(id);
  }
  EXPECT_TRUE(condition(job)) << job.DebugString();
  return job;
}

v1::Job JobWorld::WaitForState(const std::string& id, v1::JobState state) {
  return WaitUntil(id, [state](const v1::Job& job) { return job.state() == state; });
}

v1::Job JobWorld::WaitForEnd(const std::string& id) {
  return WaitUntil(id, [](const v1::Job& job) { return IsTerminal(job.state()); });
}

std::vector<v1::Event> JobWorld::Events(const std::string& uid) {
  EventLog log(*database_);
  std::vector<v1::Event> events;
  while (true) {
    const auto batch = log.Read(uid, static_cast<int64_t>(events.size()));
    EXPECT_TRUE(batch.ok()) << batch.status();
    if (!batch.ok() || *batch == nullptr) return events;
    v1::WatchEventsResponse response;
    EXPECT_TRUE(response.ParseFromString((*batch)->bytes));
    for (const v1::Event& event : response.events()) {
      EXPECT_EQ(event.seq(), static_cast<int64_t>(events.size()) + 1);
      events.push_back(event);
    }
  }
}

std::string JobWorld::AttemptFolder(const v1::Job& job, int number) const {
  return absl::StrCat(options_.attempts_dir, "/", job.uid(), "-", number);
}

int CountMetrics(const std::vector<v1::Event>& events) {
  int count = 0;
  for (const v1::Event& event : events) count += event.has_metrics();
  return count;
}

std::vector<std::string> GapsOf(const std::vector<v1::Event>& events) {
  std::vector<std::string> gaps;
  for (const v1::Event& event : events) {
    if (event.has_gap()) gaps.push_back(event.gap().reason());
  }
  return gaps;
}

}  // namespace skytrain
