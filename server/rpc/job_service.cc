#include "server/rpc/job_service.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/events/metric_query.h"
#include "server/rpc/finished_stream.h"
#include "server/rpc/wait_call.h"
#include "server/rpc/watch_stream.h"

namespace skytrain {

grpc::ServerUnaryReactor* JobServiceImpl::CreateJob(grpc::CallbackServerContext* context,
                                                    const v1::CreateJobRequest* request,
                                                    v1::CreateJobResponse* response) {
  // Slow: it may have to wait for the probe of a data set that nobody inspected before.
  return calls_.RunSlow(context, [=, this](const Caller& caller) -> absl::Status {
    if (const int64_t bytes = request->ByteSizeLong(); bytes > limits_.spec_bytes) {
      return ErrorWithReason(absl::StatusCode::kInvalidArgument, "SPEC_TOO_LARGE",
                             absl::StrCat("the request has ", bytes, " bytes; this server takes ",
                                          limits_.spec_bytes));
    }
    ASSIGN_OR_RETURN(*response, jobs_.Create(caller, *request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::GetJob(grpc::CallbackServerContext* context,
                                                 const v1::GetJobRequest* request,
                                                 v1::Job* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ParseJobName(request->name()));
    ASSIGN_OR_RETURN(*response, jobs_.Get(caller, id));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::ListJobs(grpc::CallbackServerContext* context,
                                                   const v1::ListJobsRequest* request,
                                                   v1::ListJobsResponse* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(*response, jobs_.List(caller, *request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::CancelJob(grpc::CallbackServerContext* context,
                                                    const v1::CancelJobRequest* request,
                                                    v1::Job* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ParseJobName(request->name()));
    ASSIGN_OR_RETURN(*response, jobs_.Cancel(caller, id));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::SuspendJob(grpc::CallbackServerContext* context,
                                                     const v1::SuspendJobRequest* request,
                                                     v1::Job* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ParseJobName(request->name()));
    ASSIGN_OR_RETURN(*response, jobs_.Suspend(caller, id));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::ResumeJob(grpc::CallbackServerContext* context,
                                                    const v1::ResumeJobRequest* request,
                                                    v1::Job* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ParseJobName(request->name()));
    ASSIGN_OR_RETURN(*response, jobs_.Resume(caller, id));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::DeleteJob(grpc::CallbackServerContext* context,
                                                    const v1::DeleteJobRequest* request,
                                                    google::protobuf::Empty*) {
  return calls_.RunSlow(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ParseJobName(request->name()));
    return jobs_.Delete(caller, id);
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::WaitJob(grpc::CallbackServerContext* context,
                                                  const v1::WaitJobRequest* request,
                                                  v1::Job* response) {
  const absl::StatusOr<Caller> caller = calls_.Admit(*context);
  if (!caller.ok()) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpcStatus(caller.status()));
    return reactor;
  }
  WaitCall* call =
      WaitCall::Start(calls_.executor(), calls_.live(), jobs_, hub_, *caller, *request, response);
  calls_.Guard(*context, *call);
  return call;
}

grpc::ServerUnaryReactor* JobServiceImpl::QueryMetrics(grpc::CallbackServerContext* context,
                                                       const v1::QueryMetricsRequest* request,
                                                       v1::QueryMetricsResponse* response) {
  // Slow: it reads all that a job has measured.
  return calls_.RunSlow(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ParseJobName(request->name()));
    ASSIGN_OR_RETURN(const v1::Job job, jobs_.Get(caller, id));
    ASSIGN_OR_RETURN(const MetricQuery query, MetricQuery::Of(*request, job));
    ASSIGN_OR_RETURN(*response, skytrain::QueryMetrics(log_, query));
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* JobServiceImpl::WatchEvents(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  const absl::StatusOr<Caller> caller = calls_.Admit(*context);
  if (!caller.ok()) return FinishedStream<grpc::ByteBuffer>::Make(caller.status());
  v1::WatchEventsRequest parsed;
  grpc::ByteBuffer bytes = *request;  // Deserialize empties it; the copy shares its memory.
  const grpc::Status readable =
      grpc::SerializationTraits<v1::WatchEventsRequest>::Deserialize(&bytes, &parsed);
  if (!readable.ok()) {
    return FinishedStream<grpc::ByteBuffer>::Make(
        BadRequestError("BAD_REQUEST", {{"request", "is not a WatchEventsRequest"}}));
  }
  auto slot = watch_slots_.Take(caller->owner);
  if (!slot.ok()) return FinishedStream<grpc::ByteBuffer>::Make(slot.status());
  WatchStream* stream = WatchStream::Start(calls_.executor(), calls_.live(),
                                           {jobs_, log_, hub_, filtered_, limits_.watch_quiet},
                                           *caller, *std::move(slot), parsed);
  calls_.Guard(*context, *stream);
  return stream;
}

}  // namespace skytrain
