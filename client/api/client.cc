#include "client/api/client.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/api/retry.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "skytrain/v1/blob_service.grpc.pb.h"
#include "skytrain/v1/dataset_service.grpc.pb.h"
#include "skytrain/v1/job_service.grpc.pb.h"
#include "skytrain/v1/model_service.grpc.pb.h"
#include "skytrain/v1/node_service.grpc.pb.h"

namespace skytrain::client {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(20);
constexpr absl::Duration kImportDeadline = absl::Minutes(12);  // Above the server's own.
// The server reads the header of every image of the set, once.
constexpr absl::Duration kInspectDeadline = absl::Minutes(30);
constexpr int kPageSize = 500;

// gRPC's words for a connection that broke, in plain ones.
std::string Plain(const std::string& said) {
  constexpr std::pair<absl::string_view, absl::string_view> kWords[] = {
      {"Connection reset", "connection reset"},
      {"Broken pipe", "connection reset"},
      {"Socket closed", "connection closed"},
      {"GOAWAY", "connection closed by the server"},
      {"watchdog", "no sign of life from the server"},
      {"Connection timed out", "connection timed out"},
  };
  for (const auto& [theirs, ours] : kWords) {
    if (absl::StrContains(said, theirs)) return std::string(ours);
  }
  return said;
}

// The same error with one more line of advice.
absl::Status WithAdvice(const absl::Status& status, absl::string_view advice) {
  absl::Status longer(status.code(), absl::StrCat(status.message(), "\n", advice));
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { longer.SetPayload(url, payload); });
  return longer;
}

// One service's stub, made anew when the channel is another one. Thread-safe.
template <typename Stub>
class StubOf {
 public:
  std::shared_ptr<Stub> On(const std::shared_ptr<grpc::Channel>& channel) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (channel != channel_) {
      channel_ = channel;
      stub_ = std::make_shared<Stub>(channel);
    }
    return stub_;
  }

 private:
  Mutex mu_;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<Stub> stub_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

struct Client::Stubs {
  Stubs(const Client& client, ConnectOptions connect)
      : options(std::move(connect)), link(MakeLink(client.target_, options, client.interrupt_)) {}

  // One unary call with retries. `method`: a stub's member function.
  template <typename Stub, typename Request, typename Response>
  absl::Status Call(Client& client, StubOf<Stub>& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response,
                    absl::Duration deadline = kDeadline) {
    return Retry(client.interrupt_, Backoff(), options.patience, [&]() -> absl::Status {
      ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, link->Channel());
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(deadline));
      Interrupt::Hook hook(client.interrupt_, [&context] { context.TryCancel(); });
      const grpc::Status status = (*stub.On(channel).*method)(&context, request, &response);
      return Translate(client, channel, status);
    });
  }

  // A server stream to its end. `method`: a stub's member function.
  template <typename Stub, typename Request, typename Response>
  absl::Status Stream(Client& client, StubOf<Stub>& stub,
                      std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(
                          grpc::ClientContext*, const Request&),
                      const Request& request,
                      const std::function<absl::Status(const Response&)>& take) {
    ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, link->Channel());
    grpc::ClientContext context;
    Interrupt::Hook hook(client.interrupt_, [&context] { context.TryCancel(); });
    const auto reader = (*stub.On(channel).*method)(&context, request);
    Response message;
    bool any = false;
    while (reader->Read(&message)) {
      any = true;
      link->OnAnswer();
      if (absl::Status taken = take(message); !taken.ok()) {
        context.TryCancel();
        reader->Finish();
        return taken;
      }
    }
    const grpc::Status end = reader->Finish();
    // It was there a moment ago: where it is is no news, what happened is.
    const absl::Status plain = FromGrpcStatus(end);
    if (any && absl::IsUnavailable(plain)) {
      link->Drop(channel);
      return ReasonOf(plain).empty() ? absl::UnavailableError(Plain(end.error_message())) : plain;
    }
    return Translate(client, channel, end);
  }

  // gRPC's own texts ("failed to connect to all addresses; last error: …") say less than a look at
  // each hop.
  absl::Status Translate(const Client& client, const std::shared_ptr<grpc::Channel>& channel,
                         const grpc::Status& status) {
    if (status.ok()) {
      link->OnAnswer();
      return absl::OkStatus();
    }
    const absl::string_view server = client.target_.shown;
    if (client.interrupt_.raised() && status.error_code() == grpc::StatusCode::CANCELLED) {
      return absl::CancelledError("interrupted");
    }
    absl::Status translated = FromGrpcStatus(status);
    if (!ReasonOf(translated).empty()) {
      link->OnAnswer();
      if (!absl::IsUnauthenticated(translated) || client.target_.kind != Target::Kind::kTls) {
        return translated;
      }
      return WithAdvice(translated,
                        absl::StrCat("Get a token from the server's administrator (skytraind ",
                                     "token create), then: skytrain login --server ", server));
    }
    switch (translated.code()) {
      case absl::StatusCode::kUnavailable:
        return link->Explain(channel, Plain(status.error_message()));
      case absl::StatusCode::kDeadlineExceeded:
        return absl::DeadlineExceededError(
            absl::StrCat("the server at ", server, " did not answer in time"));
      case absl::StatusCode::kUnimplemented:
        return absl::UnimplementedError(
            absl::StrCat("the server at ", server,
                         " does not know this call: it is older than this client; see skytrain "
                         "info"));
      default:
        return translated;
    }
  }

  const ConnectOptions options;
  const std::unique_ptr<Link> link;
  StubOf<v1::JobService::Stub> jobs;
  StubOf<v1::DatasetService::Stub> datasets;
  StubOf<v1::ModelService::Stub> models;
  StubOf<v1::BlobService::Stub> blobs;
  StubOf<v1::NodeService::Stub> nodes;
};

Client::Client(Target target, Interrupt& interrupt, ConnectOptions options)
    : target_(std::move(target)),
      interrupt_(interrupt),
      give_up_(options.give_up),
      stubs_(std::make_unique<Stubs>(*this, std::move(options))) {}

Client::~Client() = default;

std::string Client::Way() { return stubs_->link->Way(); }

const Patience& Client::patience() const { return stubs_->options.patience; }

absl::StatusOr<v1::CreateJobResponse> Client::CreateJob(const v1::CreateJobRequest& request) {
  v1::CreateJobResponse response;
  RETURN_IF_ERROR(
      stubs_->Call(*this, stubs_->jobs, &v1::JobService::Stub::CreateJob, request, response));
  return response;
}

absl::StatusOr<v1::Job> Client::GetJob(const std::string& name) {
  v1::GetJobRequest request;
  request.set_name(name);
  v1::Job job;
  RETURN_IF_ERROR(stubs_->Call(*this, stubs_->jobs, &v1::JobService::Stub::GetJob, request, job));
  return job;
}

absl::StatusOr<std::vector<v1::Job>> Client::ListJobs(const std::vector<v1::JobState>& states,
                                                      const std::string& filter, int limit) {
  v1::ListJobsRequest request;
  request.set_page_size(limit > 0 && limit < kPageSize ? limit : kPageSize);
  for (const v1::JobState state : states) request.add_states(state);
  request.set_filter(filter);
  std::vector<v1::Job> jobs;
  do {
    v1::ListJobsResponse response;
    RETURN_IF_ERROR(
        stubs_->Call(*this, stubs_->jobs, &v1::JobService::Stub::ListJobs, request, response));
    for (v1::Job& job : *response.mutable_jobs()) {
      if (limit > 0 && jobs.size() == static_cast<size_t>(limit)) return jobs;
      jobs.push_back(std::move(job));
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return jobs;
}

absl::StatusOr<v1::Job> Client::CancelJob(const std::string& name) {
  v1::CancelJobRequest request;
  request.set_name(name);
  v1::Job job;
  RETURN_IF_ERROR(
      stubs_->Call(*this, stubs_->jobs, &v1::JobService::Stub::CancelJob, request, job));
  return job;
}

absl::StatusOr<v1::Job> Client::SuspendJob(const std::string& name) {
  v1::SuspendJobRequest request;
  request.set_name(name);
  v1::Job job;
  RETURN_IF_ERROR(
      stubs_->Call(*this, stubs_->jobs, &v1::JobService::Stub::SuspendJob, request, job));
  return job;
}

absl::StatusOr<v1::Job> Client::ResumeJob(const std::string& name) {
  v1::ResumeJobRequest request;
  request.set_name(name);
  v1::Job job;
  RETURN_IF_ERROR(
      stubs_->Call(*this, stubs_->jobs, &v1::JobService::Stub::ResumeJob, request, job));
  return job;
}

absl::Status Client::DeleteJob(const std::string& name) {
  v1::DeleteJobRequest request;
  request.set_name(name);
  google::protobuf::Empty response;
  return stubs_->Call(*this, stubs_->jobs, &v1::JobService::Stub::DeleteJob, request, response);
}

absl::StatusOr<v1::Job> Client::WaitJob(const std::string& name, absl::Duration timeout) {
  v1::WaitJobRequest request;
  request.set_name(name);
  absl::Duration rest;
  request.mutable_timeout()->set_seconds(absl::IDivDuration(timeout, absl::Seconds(1), &rest));
  request.mutable_timeout()->set_nanos(static_cast<int>(rest / absl::Nanoseconds(1)));
  v1::Job job;
  RETURN_IF_ERROR(stubs_->Call(*this, stubs_->jobs, &v1::JobService::Stub::WaitJob, request, job,
                               timeout + kDeadline));
  return job;
}

absl::StatusOr<v1::DatasetManifest> Client::InspectDataset(
    const v1::InspectDatasetRequest& request) {
  v1::DatasetManifest manifest;
  RETURN_IF_ERROR(stubs_->Call(*this, stubs_->datasets, &v1::DatasetService::Stub::InspectDataset,
                               request, manifest, kInspectDeadline));
  return manifest;
}

absl::StatusOr<v1::Dataset> Client::RegisterDataset(const v1::Dataset& dataset) {
  v1::RegisterDatasetRequest request;
  *request.mutable_dataset() = dataset;
  v1::Dataset registered;
  RETURN_IF_ERROR(stubs_->Call(*this, stubs_->datasets, &v1::DatasetService::Stub::RegisterDataset,
                               request, registered, kInspectDeadline));
  return registered;
}

absl::StatusOr<v1::Dataset> Client::GetDataset(const std::string& name) {
  v1::GetDatasetRequest request;
  request.set_name(name);
  v1::Dataset dataset;
  RETURN_IF_ERROR(stubs_->Call(*this, stubs_->datasets, &v1::DatasetService::Stub::GetDataset,
                               request, dataset));
  return dataset;
}

absl::StatusOr<std::vector<v1::Dataset>> Client::ListDatasets() {
  v1::ListDatasetsRequest request;
  request.set_page_size(kPageSize);
  std::vector<v1::Dataset> datasets;
  do {
    v1::ListDatasetsResponse response;
    RETURN_IF_ERROR(stubs_->Call(*this, stubs_->datasets, &v1::DatasetService::Stub::ListDatasets,
                                 request, response));
    for (v1::Dataset& dataset : *response.mutable_datasets()) {
      datasets.push_back(std::move(dataset));
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return datasets;
}

absl::Status Client::DeleteDataset(const std::string& name) {
  v1::DeleteDatasetRequest request;
  request.set_name(name);
  google::protobuf::Empty response;
  return stubs_->Call(*this, stubs_->datasets, &v1::DatasetService::Stub::DeleteDataset, request,
                      response);
}

absl::StatusOr<v1::PreviewDatasetResponse> Client::PreviewDataset(
    const v1::PreviewDatasetRequest& request) {
  v1::PreviewDatasetResponse response;
  RETURN_IF_ERROR(stubs_->Call(*this, stubs_->datasets, &v1::DatasetService::Stub::PreviewDataset,
                               request, response, kInspectDeadline));
  return response;
}

absl::StatusOr<v1::Model> Client::GetModel(const std::string& name) {
  v1::GetModelRequest request;
  request.set_name(name);
  v1::Model model;
  RETURN_IF_ERROR(
      stubs_->Call(*this, stubs_->models, &v1::ModelService::Stub::GetModel, request, model));
  return model;
}

absl::StatusOr<std::vector<v1::Model>> Client::ListModels() {
  v1::ListModelsRequest request;
  request.set_page_size(kPageSize);
  std::vector<v1::Model> models;
  do {
    v1::ListModelsResponse response;
    RETURN_IF_ERROR(stubs_->Call(*this, stubs_->models, &v1::ModelService::Stub::ListModels,
                                 request, response));
    for (v1::Model& model : *response.mutable_models()) models.push_back(std::move(model));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return models;
}

absl::StatusOr<v1::Model> Client::ImportModel(const v1::ImportModelRequest& request) {
  v1::Model model;
  RETURN_IF_ERROR(stubs_->Call(*this, stubs_->models, &v1::ModelService::Stub::ImportModel, request,
                               model, kImportDeadline));
  return model;
}

absl::StatusOr<v1::Model> Client::SetModelAlias(const std::string& name, const std::string& alias) {
  v1::SetModelAliasRequest request;
  request.set_name(name);
  request.set_alias(alias);
  v1::Model model;
  RETURN_IF_ERROR(
      stubs_->Call(*this, stubs_->models, &v1::ModelService::Stub::SetModelAlias, request, model));
  return model;
}

absl::Status Client::DeleteModelAlias(const std::string& name) {
  v1::DeleteModelAliasRequest request;
  request.set_name(name);
  google::protobuf::Empty response;
  return stubs_->Call(*this, stubs_->models, &v1::ModelService::Stub::DeleteModelAlias, request,
                      response);
}

absl::Status Client::DeleteModel(const std::string& name) {
  v1::DeleteModelRequest request;
  request.set_name(name);
  google::protobuf::Empty response;
  return stubs_->Call(*this, stubs_->models, &v1::ModelService::Stub::DeleteModel, request,
                      response);
}

absl::StatusOr<v1::ServerInfo> Client::GetServerInfo() {
  v1::ServerInfo info;
  RETURN_IF_ERROR(stubs_->Call(*this, stubs_->nodes, &v1::NodeService::Stub::GetServerInfo,
                               v1::GetServerInfoRequest(), info));
  return info;
}

absl::StatusOr<v1::QueryMetricsResponse> Client::QueryMetrics(
    const v1::QueryMetricsRequest& request) {
  v1::QueryMetricsResponse response;
  RETURN_IF_ERROR(
      stubs_->Call(*this, stubs_->jobs, &v1::JobService::Stub::QueryMetrics, request, response));
  return response;
}

absl::StatusOr<v1::CollectGarbageResponse> Client::CollectGarbage(bool validate_only) {
  v1::CollectGarbageRequest request;
  request.set_validate_only(validate_only);
  v1::CollectGarbageResponse response;
  RETURN_IF_ERROR(stubs_->Call(*this, stubs_->nodes, &v1::NodeService::Stub::CollectGarbage,
                               request, response));
  return response;
}

absl::StatusOr<v1::ListDevicesResponse> Client::ListDevices() {
  v1::ListDevicesResponse response;
  RETURN_IF_ERROR(stubs_->Call(*this, stubs_->nodes, &v1::NodeService::Stub::ListDevices,
                               v1::ListDevicesRequest(), response));
  return response;
}

absl::StatusOr<v1::GetQueueResponse> Client::GetQueue() {
  v1::GetQueueResponse response;
  RETURN_IF_ERROR(stubs_->Call(*this, stubs_->nodes, &v1::NodeService::Stub::GetQueue,
                               v1::GetQueueRequest(), response));
  return response;
}

absl::Status Client::StreamEvents(
    const v1::WatchEventsRequest& request,
    const std::function<absl::Status(const v1::WatchEventsResponse&)>& take) {
  return stubs_->Stream(*this, stubs_->jobs, &v1::JobService::Stub::WatchEvents, request, take);
}

absl::Status Client::StreamBlob(
    const v1::ReadBlobRequest& request,
    const std::function<absl::Status(const v1::ReadBlobResponse&)>& take) {
  return stubs_->Stream(*this, stubs_->blobs, &v1::BlobService::Stub::ReadBlob, request, take);
}

absl::StatusOr<v1::Blob> Client::StatBlob(const std::string& name) {
  v1::StatBlobRequest request;
  request.set_name(name);
  v1::Blob blob;
  RETURN_IF_ERROR(
      stubs_->Call(*this, stubs_->blobs, &v1::BlobService::Stub::StatBlob, request, blob));
  return blob;
}

absl::StatusOr<v1::Blob> Client::SendBlob(
    const std::function<absl::StatusOr<bool>(v1::WriteBlobRequest*)>& next) {
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, stubs_->link->Channel());
  grpc::ClientContext context;
  Interrupt::Hook hook(interrupt_, [&context] { context.TryCancel(); });
  v1::Blob blob;
  const auto writer = stubs_->blobs.On(channel)->WriteBlob(&context, &blob);
  v1::WriteBlobRequest message;
  while (true) {
    const absl::StatusOr<bool> more = next(&message);
    if (!more.ok()) {
      context.TryCancel();
      writer->Finish();
      return more.status();
    }
    if (!*more || !writer->Write(message)) break;
  }
  writer->WritesDone();
  RETURN_IF_ERROR(stubs_->Translate(*this, channel, writer->Finish()));
  return blob;
}

}  // namespace skytrain::client
