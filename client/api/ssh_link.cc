#include "client/api/ssh_link.h"

#include <grpcpp/create_channel_posix.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/grpc/channel.h"
#include "common/status_macros.h"

namespace skytrain::client {

SshLink::SshLink(Target target, SshOptions options, Interrupt& interrupt)
    : target_(std::move(target)), options_(std::move(options)), interrupt_(interrupt) {}

SshLink::~SshLink() = default;

absl::StatusOr<std::shared_ptr<grpc::Channel>> SshLink::Channel() {
  MutexLock lock(mu_);
  if (channel_ != nullptr) return channel_;
  session_.reset();
  ASSIGN_OR_RETURN(session_, SshSession::Start(target_, options_, options_.may_prompt && !answered_,
                                               interrupt_));
  channel_ = grpc::CreateCustomInsecureChannelFromFd(target_.host, session_->TakeSocket(),
                                                     ClientChannelArguments());
  return channel_;
}

void SshLink::OnAnswer() {
  MutexLock lock(mu_);
  answered_ = true;
}

void SshLink::Drop(const std::shared_ptr<grpc::Channel>& channel) {
  MutexLock lock(mu_);
  if (channel != channel_) return;
  channel_.reset();
  session_.reset();
}

// The last line that dial-stdio wrote: "connected to /run/skytrain/skytraind.sock".
std::string SshLink::Way() {
  MutexLock lock(mu_);
  if (session_ == nullptr) return "";
  const std::string said = session_->Said();
  return said.substr(said.rfind('\n') + 1);
}

absl::Status SshLink::Explain(const std::shared_ptr<grpc::Channel>& channel,
                              const std::string& said) {
  MutexLock lock(mu_);
  if (channel != channel_ || session_ == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("the connection to ", target_.shown, " broke (", said, ")"));
  }
  channel_.reset();
  const std::unique_ptr<SshSession> session = std::move(session_);
  return session->End();
}

}  // namespace skytrain::client
