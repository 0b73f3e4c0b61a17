#include "tests/unit/client/fake_server.h"

#include <grpcpp/grpcpp.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "skytrain/v1/blob_service.grpc.pb.h"
#include "skytrain/v1/job_service.grpc.pb.h"

namespace skytrain::client {
namespace {

constexpr int64_t kChunk = 1000;

}  // namespace

struct FakeServer::Impl : public v1::JobService::Service, public v1::BlobService::Service {
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                      v1::Job* job) override {
    if (request->name() != "jobs/a") {
      return ToGrpcStatus(ErrorWithReason(absl::StatusCode::kNotFound, "JOB_NOT_FOUND",
                                          absl::StrCat("no job ", request->name())));
    }
    MutexLock lock(mu);
    job->set_name("jobs/a");
    job->set_last_seq(static_cast<int64_t>(events));
    return grpc::Status::OK;
  }

  grpc::Status WatchEvents(grpc::ServerContext*, const v1::WatchEventsRequest* request,
                           grpc::ServerWriter<v1::WatchEventsResponse>* writer) override {
    if (request->name() != "jobs/a") {
      return ToGrpcStatus(ErrorWithReason(absl::StatusCode::kNotFound, "JOB_NOT_FOUND",
                                          absl::StrCat("no job ", request->name())));
    }
    const Script script = Next(request->after_seq());
    int64_t left = script.messages;
    const int64_t first = std::max<int64_t>(1, request->after_seq() + 1 - script.repeat);
    for (int64_t seq = first + script.skip; seq <= events && left != 0; ++seq, --left) {
      v1::WatchEventsResponse response;
      response.add_events()->set_seq(seq);
      response.set_position(seq);
      if (!writer->Write(response)) break;
    }
    return ToGrpcStatus(script.end);
  }

  grpc::Status ReadBlob(grpc::ServerContext*, const v1::ReadBlobRequest* request,
                        grpc::ServerWriter<v1::ReadBlobResponse>* writer) override {
    Script script = Next(request->offset());
    int64_t left = script.messages;
    for (int64_t at = request->offset(); at < static_cast<int64_t>(blob.size()) && left != 0;
         at += kChunk, --left) {
      v1::ReadBlobResponse response;
      response.set_offset(at);
      response.set_data(blob.substr(at, kChunk));
      response.set_crc32c(Crc32c(response.data()));
      if (script.damage) (*response.mutable_data())[0] ^= 1;
      script.damage = false;
      if (!writer->Write(response)) break;
    }
    return ToGrpcStatus(script.end);
  }

  Script Next(int64_t start) ABSL_LOCKS_EXCLUDED(mu) {
    MutexLock lock(mu);
    starts.push_back(start);
    if (scripts.empty()) return Script();
    Script next = scripts.front();
    scripts.pop_front();
    return next;
  }

  std::string folder;
  std::string socket;
  std::unique_ptr<grpc::Server> server;
  int64_t events = 0;
  std::string blob;
  Mutex mu;
  std::deque<Script> scripts ABSL_GUARDED_BY(mu);
  std::vector<int64_t> starts ABSL_GUARDED_BY(mu);
};

FakeServer::FakeServer() : impl_(std::make_unique<Impl>()) {
  char folder[] = "/tmp/skytrain-client-XXXXXX";  // Short: a socket's path is.
  impl_->folder = mkdtemp(folder);
  impl_->socket = absl::StrCat("unix:", impl_->folder, "/s");
  grpc::ServerBuilder builder;
  builder.AddListeningPort(impl_->socket, grpc::InsecureServerCredentials());
  builder.RegisterService(static_cast<v1::JobService::Service*>(impl_.get()));
  builder.RegisterService(static_cast<v1::BlobService::Service*>(impl_.get()));
  impl_->server = builder.BuildAndStart();
}

FakeServer::~FakeServer() {
  impl_->server->Shutdown();
  std::filesystem::remove_all(impl_->folder);
}

Target FakeServer::target() const { return Target::Unix(impl_->folder + "/s"); }
void FakeServer::Stop() { impl_->server->Shutdown(std::chrono::system_clock::now()); }
void FakeServer::SetEvents(int count) { impl_->events = count; }
void FakeServer::SetBlob(std::string bytes) { impl_->blob = std::move(bytes); }

void FakeServer::Play(std::vector<Script> scripts) {
  MutexLock lock(impl_->mu);
  impl_->scripts.assign(scripts.begin(), scripts.end());
}

std::vector<int64_t> FakeServer::Starts() {
  MutexLock lock(impl_->mu);
  return impl_->starts;
}

}  // namespace skytrain::client
