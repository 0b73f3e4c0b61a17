#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/api/interrupt.h"
#include "client/api/link.h"
#include "client/api/target.h"
#include "skytrain/v1/blob_service.pb.h"
#include "skytrain/v1/dataset_service.pb.h"
#include "skytrain/v1/job_service.pb.h"
#include "skytrain/v1/model_service.pb.h"
#include "skytrain/v1/node_service.pb.h"

namespace skytrain::client {

// The server's API, as blocking calls. Unary calls have a deadline and are repeated on UNAVAILABLE
// (see Retry); streams are not, their callers know where to go on. Errors are the server's, with
// their reasons; when none comes, those of the broken hop (see WalkToServer, SshSession); an
// interruption is CANCELLED. Thread-safe.
class Client {
 public:
  // Connects with the first call.
  Client(Target target, Interrupt& interrupt, ConnectOptions options = {});
  ~Client();

  const Target& target() const { return target_; }
  // What the connection goes through, see Link.
  std::string Way();
  Interrupt& interrupt() { return interrupt_; }
  // How long to try for the first answer of all, and for the next after one.
  const Patience& patience() const;
  absl::Duration give_up() const { return give_up_; }

  // `request` must carry a request_id, since it may be sent twice.
  absl::StatusOr<v1::CreateJobResponse> CreateJob(const v1::CreateJobRequest& request);
  // `name` of a job here and below: "jobs/{job}".
  absl::StatusOr<v1::Job> GetJob(const std::string& name);
  // All pages, newest first, or the first `limit` jobs (0: no limit).
  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::vector<v1::JobState>& states,
                                                const std::string& filter, int limit);
  absl::StatusOr<v1::Job> CancelJob(const std::string& name);
  absl::StatusOr<v1::Job> SuspendJob(const std::string& name);
  absl::StatusOr<v1::Job> ResumeJob(const std::string& name);
  absl::Status DeleteJob(const std::string& name);
  // Answers when the job is over or set aside, or after `timeout` (at most 60 s) with the job as it
  // is then.
  absl::StatusOr<v1::Job> WaitJob(const std::string& name, absl::Duration timeout);

  // UNIMPLEMENTED: the server is an older one.
  absl::StatusOr<v1::QueryMetricsResponse> QueryMetrics(const v1::QueryMetricsRequest& request);

  absl::StatusOr<v1::DatasetManifest> InspectDataset(const v1::InspectDatasetRequest& request);
  // `name` of a data set here and below: "datasets/{dataset}". UNIMPLEMENTED: the server is an
  // older one.
  absl::StatusOr<v1::Dataset> RegisterDataset(const v1::Dataset& dataset);
  absl::StatusOr<v1::Dataset> GetDataset(const std::string& name);
  absl::StatusOr<std::vector<v1::Dataset>> ListDatasets();
  absl::Status DeleteDataset(const std::string& name);
  absl::StatusOr<v1::PreviewDatasetResponse> PreviewDataset(
      const v1::PreviewDatasetRequest& request);
  absl::StatusOr<v1::Model> GetModel(const std::string& name);
  absl::StatusOr<std::vector<v1::Model>> ListModels();
  // UNIMPLEMENTED, here and below: the server is an older one.
  absl::StatusOr<v1::Model> ImportModel(const v1::ImportModelRequest& request);
  absl::StatusOr<v1::Model> SetModelAlias(const std::string& name, const std::string& alias);
  absl::Status DeleteModelAlias(const std::string& name);
  absl::Status DeleteModel(const std::string& name);
  absl::StatusOr<v1::ServerInfo> GetServerInfo();
  absl::StatusOr<v1::ListDevicesResponse> ListDevices();
  absl::StatusOr<v1::CollectGarbageResponse> CollectGarbage(bool validate_only);
  absl::StatusOr<v1::GetQueueResponse> GetQueue();

  // Calls `take` for each message until the stream ends or `take` returns an error, which is then
  // the result.
  absl::Status StreamEvents(
      const v1::WatchEventsRequest& request,
      const std::function<absl::Status(const v1::WatchEventsResponse&)>& take);
  absl::Status StreamBlob(const v1::ReadBlobRequest& request,
                          const std::function<absl::Status(const v1::ReadBlobResponse&)>& take);
  absl::StatusOr<v1::Blob> StatBlob(const std::string& name);
  // Sends what `next` fills in until it answers false or an error, which is then the result; else
  // the result is the server's answer, which may come before everything was sent.
  absl::StatusOr<v1::Blob> SendBlob(
      const std::function<absl::StatusOr<bool>(v1::WriteBlobRequest*)>& next);

 private:
  struct Stubs;

  const Target target_;
  Interrupt& interrupt_;
  const absl::Duration give_up_;
  const std::unique_ptr<Stubs> stubs_;
};

}  // namespace skytrain::client
