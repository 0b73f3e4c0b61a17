#include "server/auth/grpc/audit.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "google/protobuf/message.h"
#include "grpcpp/server_context.h"
#include "server/auth/grpc/credentials.h"

namespace skytrain {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

constexpr absl::string_view kOurs = "/skytrain.v1.";

// "/skytrain.v1.JobService/CreateJob" → "JobService/CreateJob".
absl::string_view ShortName(absl::string_view method) { return absl::StripPrefix(method, kOurs); }

bool OnlyReads(absl::string_view short_name) {
  const absl::string_view verb = short_name.substr(short_name.find('/') + 1);
  for (const char* reading :
       {"Get", "List", "Wait", "Watch", "Query", "Read", "Stat", "Inspect", "Preview"}) {
    if (absl::StartsWith(verb, reading)) return true;
  }
  return false;
}

// The resource that a request or response names: its `name`, or that of its `job` or `dataset`.
std::string ResourceIn(const google::protobuf::Message& message) {
  const auto* reflection = message.GetReflection();
  const auto* descriptor = message.GetDescriptor();
  const auto* name = descriptor->FindFieldByName("name");
  if (name != nullptr && name->cpp_type() == name->CPPTYPE_STRING && !name->is_repeated()) {
    return reflection->GetString(message, name);
  }
  for (const char* field : {"job", "dataset"}) {
    const auto* below = descriptor->FindFieldByName(field);
    if (below != nullptr && below->cpp_type() == below->CPPTYPE_MESSAGE && !below->is_repeated()) {
      return ResourceIn(reflection->GetMessage(message, below));
    }
  }
  return "";
}

class AuditedCall final : public grpc::experimental::Interceptor {
 public:
  AuditedCall(const Authenticator& authenticator, AuditLog& log, ServerRpcInfo& info)
      : authenticator_(authenticator),
        log_(log),
        info_(info),
        changes_(!OnlyReads(ShortName(info.method()))) {}

  void Intercept(InterceptorBatchMethods* batch) override {
    // Streams may carry raw bytes; the messages of unary methods are always typed.
    if (changes_ && info_.type() == ServerRpcInfo::Type::UNARY) {
      if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
        NoteResource(batch->GetRecvMessage());
      }
      if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_MESSAGE)) {
        NoteResource(batch->GetSendMessage());
      }
    }
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      Write(batch->GetSendStatus());
    }
    batch->Proceed();
  }

 private:
  // The first name counts: that of the request, else that of what was made.
  void NoteResource(const void* message) {
    if (!resource_.empty() || message == nullptr) return;
    resource_ = ResourceIn(*static_cast<const google::protobuf::Message*>(message));
  }

  void Write(const grpc::Status& sent) {
    const absl::Status status = FromGrpcStatus(sent);
    const bool refused = absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status);
    if (!changes_ && !refused) return;
    const Credentials credentials = CredentialsOf(*info_.server_context());
    AuditEntry entry;
    if (const auto identity = authenticator_.Authenticate(credentials); identity.ok()) {
      entry.caller = identity->owner;
      entry.proof = std::string(ProofName(identity->proof));
      if (!identity->token_id.empty()) absl::StrAppend(&entry.proof, " sky_", identity->token_id);
    }
    entry.peer = Peers::IsUnix(credentials.peer) ? "unix" : credentials.peer;
    entry.method = std::string(ShortName(info_.method()));
    entry.resource = resource_;
    entry.result = absl::StatusCodeToString(status.code());
    entry.reason = ReasonOf(status);
    log_.Write(entry);
  }

  const Authenticator& authenticator_;
  AuditLog& log_;
  ServerRpcInfo& info_;
  const bool changes_;
  std::string resource_;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  Factory(const Authenticator& authenticator, AuditLog& log)
      : authenticator_(authenticator), log_(log) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    if (!absl::StartsWith(info->method(), kOurs)) return nullptr;  // Health, reflection.
    return std::make_unique<AuditedCall>(authenticator_, log_, *info).release();  // gRPC owns it.
  }

 private:
  const Authenticator& authenticator_;
  AuditLog& log_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> AuditCalls(
    const Authenticator& authenticator, AuditLog& log) {
  return std::make_unique<Factory>(authenticator, log);
}

}  // namespace skytrain
