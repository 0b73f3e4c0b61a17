#pragma once

#include "absl/time/time.h"
#include "server/events/event_hub.h"
#include "server/events/event_log.h"
#include "server/events/filtered_batches.h"
#include "server/jobs/job_manager.h"
#include "server/rpc/calls.h"
#include "server/rpc/watch_stream.h"
#include "skytrain/v1/job_service.grpc.pb.h"

namespace skytrain {

// Every method typed but WatchEvents, which sends stored bytes as they are.
using JobServiceMethods = v1::JobService::WithCallbackMethod_CreateJob<
    v1::JobService::WithCallbackMethod_GetJob<v1::JobService::WithCallbackMethod_ListJobs<
        v1::JobService::WithCallbackMethod_CancelJob<v1::JobService::WithCallbackMethod_SuspendJob<
            v1::JobService::WithCallbackMethod_ResumeJob<
                v1::JobService::WithCallbackMethod_DeleteJob<
                    v1::JobService::WithCallbackMethod_WaitJob<
                        v1::JobService::WithCallbackMethod_QueryMetrics<
                            v1::JobService::WithRawCallbackMethod_WatchEvents<
                                v1::JobService::Service>>>>>>>>>>;

class JobServiceImpl final : public JobServiceMethods {
 public:
  struct Limits {
    int64_t spec_bytes = 1 << 20;   // Of one CreateJob request.
    int watches_per_caller = 1000;  // At once.
    // A watch says where it stands after so long without a message. 5 s are promised; the ticker
    // looks five times a second.
    absl::Duration watch_quiet = absl::Milliseconds(4500);
  };
  JobServiceImpl(Calls& calls, JobManager& jobs, EventLog& log, EventHub& hub, const Limits& limits)
      : calls_(calls),
        jobs_(jobs),
        log_(log),
        hub_(hub),
        limits_(limits),
        watch_slots_(limits.watches_per_caller) {}

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context,
                                      const v1::CreateJobRequest* request,
                                      v1::CreateJobResponse* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request, v1::Job* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* SuspendJob(grpc::CallbackServerContext* context,
                                       const v1::SuspendJobRequest* request,
                                       v1::Job* response) override;
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext* context,
                                      const v1::ResumeJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* DeleteJob(grpc::CallbackServerContext* context,
                                      const v1::DeleteJobRequest* request,
                                      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* WaitJob(grpc::CallbackServerContext* context,
                                    const v1::WaitJobRequest* request, v1::Job* response) override;
  grpc::ServerUnaryReactor* QueryMetrics(grpc::CallbackServerContext* context,
                                         const v1::QueryMetricsRequest* request,
                                         v1::QueryMetricsResponse* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchEvents(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request) override;

 private:
  Calls& calls_;
  JobManager& jobs_;
  EventLog& log_;
  EventHub& hub_;
  const Limits limits_;
  WatchSlots watch_slots_;
  FilteredBatches filtered_;
};

}  // namespace skytrain
