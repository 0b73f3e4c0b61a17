#include "server/metrics/grpc/meter.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/clock.h"
#include "google/protobuf/descriptor.h"

namespace skytrain {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

class MeteredCall final : public grpc::experimental::Interceptor {
 public:
  MeteredCall(CallMetrics& metrics, absl::string_view method)
      : metrics_(metrics), method_(method), begun_(Clock::Real().Monotonic()) {
    metrics_.Begin(method_);
  }
  ~MeteredCall() override {
    metrics_.End(method_, absl::StatusCodeToString(code_), Clock::Real().Monotonic() - begun_);
  }

  void Intercept(InterceptorBatchMethods* batch) override {
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      code_ = static_cast<absl::StatusCode>(batch->GetSendStatus().error_code());
    }
    batch->Proceed();
  }

 private:
  CallMetrics& metrics_;
  const std::string method_;
  const absl::Duration begun_;
  absl::StatusCode code_ = absl::StatusCode::kCancelled;
};

// Names that a client made up must not become series.
bool Exists(absl::string_view method) {
  const std::string full_name = absl::StrReplaceAll(method, {{"/", "."}});
  return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName("skytrain.v1." +
                                                                              full_name) != nullptr;
}

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(CallMetrics& metrics) : metrics_(metrics) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    absl::string_view method = info->method();
    if (!absl::ConsumePrefix(&method, "/skytrain.v1.") || !Exists(method)) return nullptr;
    return std::make_unique<MeteredCall>(metrics_, method).release();  // gRPC owns it.
  }

 private:
  CallMetrics& metrics_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MeterCalls(
    CallMetrics& metrics) {
  return std::make_unique<Factory>(metrics);
}

}  // namespace skytrain
