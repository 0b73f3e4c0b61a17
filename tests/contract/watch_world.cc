#include "tests/contract/watch_world.h"

#include <unistd.h>

#include <utility>

#include "common/grpc/channel.h"
#include "common/grpc/status.h"
#include "common/ids.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "server/auth/grpc/adopt.h"

namespace skytrain {

WatchWorld::WatchWorld(JobServiceImpl::Limits limits)
    : limits_(limits),
      tokens_(world_.path() + "/auth", FileSystem::Posix(), Clock::Real()),
      authenticator_({Mode::kPersonal, geteuid(), {}}, peers_, tokens_, Clock::Real()) {
  world_.Start();
  Serve();
}

WatchWorld::~WatchWorld() { StopServing(); }

void WatchWorld::Restart() {
  StopServing();
  world_.Restart();
  Serve();
}

void WatchWorld::Serve() {
  log_ = std::make_unique<EventLog>(database(), &hub().recent());
  calls_ = std::make_unique<Calls>(authenticator_);
  service_ = std::make_unique<JobServiceImpl>(*calls_, world_.jobs(), *log_, hub(), limits_);
  auto server =
      RpcServer::Start(*calls_, {{v1::JobService::service_full_name(), service_.get()}}, {}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  auto listener = UnixListener::Bind(world_.path() + "/s/d.sock");
  ASSERT_TRUE(listener.ok()) << listener.status();
  listener_ = *std::move(listener);
  listener_->Start(
      [this](int fd, uid_t uid) { AdoptConnection(server_->server(), peers_, fd, uid); },
      [](uid_t) {});
  server_->SetServing();
}

void WatchWorld::StopServing() {
  if (listener_ != nullptr) listener_->Stop();
  listener_.reset();
  server_.reset();  // Drains and stops.
  service_.reset();
  calls_.reset();
  log_.reset();
}

std::unique_ptr<v1::JobService::Stub> WatchWorld::Connect() const {
  grpc::ChannelArguments arguments = ClientChannelArguments();
  // Else all channels to one address share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return v1::JobService::NewStub(grpc::CreateCustomChannel(
      "unix:" + listener_->path(), grpc::InsecureChannelCredentials(), arguments));
}

std::unique_ptr<JobJournal> WatchWorld::NewJob(const std::string& id) {
  v1::Job job = JobWorld::Request(id).job();
  job.set_uid(NewUid());
  job.set_name(JobName(id));
  job.set_owner(UserName(getuid()));
  static const StateOutbox nobody;
  const absl::Status stored =
      database().Write(Database::Priority::kControl, [&](Connection& connection) {
        return JobJournal::Insert(connection, job, nobody, absl::Now()).status();
      });
  EXPECT_TRUE(stored.ok()) << stored;
  return std::make_unique<JobJournal>(JobRecord{job, {}}, database(), hub(), nobody, Clock::Real());
}

void WatchWorld::Commit(JobJournal& journal,
                        const std::function<void(JobJournal::Draft&)>& change) {
  const absl::Status changed =
      journal.Change(Database::Priority::kBulk, [&](JobJournal::Draft& draft) {
        change(draft);
        return absl::OkStatus();
      });
  ASSERT_TRUE(changed.ok()) << changed;
}

v1::WatchEventsRequest WatchRequest(const std::string& id, int64_t after_seq, bool follow) {
  v1::WatchEventsRequest request;
  request.set_name(JobName(id));
  request.set_after_seq(after_seq);
  request.set_follow(follow);
  return request;
}

Watched WatchAll(v1::JobService::Stub& stub, const v1::WatchEventsRequest& request,
                 const std::function<bool(const v1::WatchEventsResponse&)>& enough) {
  grpc::ClientContext context;
  // A stream that hangs fails its test instead of stopping all.
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  const auto reader = stub.WatchEvents(&context, request);
  Watched watched;
  v1::WatchEventsResponse response;
  while (reader->Read(&response)) {
    if (enough(response)) context.TryCancel();
    for (v1::Event& event : *response.mutable_events()) watched.events.push_back(std::move(event));
    response.clear_events();
    watched.responses.push_back(response);
  }
  watched.status = FromGrpcStatus(reader->Finish());
  return watched;
}

v1::Event MetricEvent(int64_t step, std::vector<double> values) {
  v1::Event event;
  v1::MetricBatch& batch = *event.mutable_metrics();
  batch.add_names("train/loss");
  for (const double value : values) {
    batch.add_name(0);
    batch.add_step(step++);
    batch.add_epoch(1);
    batch.add_value(value);
  }
  return event;
}

v1::Event LogEvent(const std::string& bytes) {
  v1::Event event;
  event.mutable_log()->set_stream(v1::LogChunk::STREAM_STDOUT);
  event.mutable_log()->set_data(bytes);
  return event;
}

void BeginAttempt(JobJournal& journal) {
  WatchWorld::Commit(journal, [](JobJournal::Draft& draft) {
    draft.job().add_attempts()->set_number(draft.job().attempts_size());
    EXPECT_TRUE(draft.Apply(JobEventType::kAssigned, "").ok());
    EXPECT_TRUE(draft.Apply(JobEventType::kStarted, "").ok());
  });
}

void EndJob(JobJournal& journal) {
  WatchWorld::Commit(journal, [](JobJournal::Draft& draft) {
    EXPECT_TRUE(draft.Apply(JobEventType::kCompleted, "", v1::COMPLETED).ok());
  });
}

}  // namespace skytrain
