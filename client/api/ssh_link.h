#pragma once

#include <memory>
#include <string>

#include "client/api/link.h"
#include "common/mutex.h"

namespace skytrain::client {

// Over the user's own ssh. A gRPC channel made of a descriptor does not connect again, so each
// break makes a new channel with a new ssh. Only until the server first answered may ssh ask for a
// password: a reconnect never does.
class SshLink : public Link {
 public:
  SshLink(Target target, SshOptions options, Interrupt& interrupt);
  ~SshLink() override;

  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel() override ABSL_LOCKS_EXCLUDED(mu_);
  void OnAnswer() override ABSL_LOCKS_EXCLUDED(mu_);
  void Drop(const std::shared_ptr<grpc::Channel>& channel) override ABSL_LOCKS_EXCLUDED(mu_);
  std::string Way() override ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Explain(const std::shared_ptr<grpc::Channel>& channel,
                       const std::string& said) override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const Target target_;
  const SshOptions options_;
  Interrupt& interrupt_;
  Mutex mu_;
  bool answered_ ABSL_GUARDED_BY(mu_) = false;
  std::unique_ptr<SshSession> session_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mu_);
};

}  // namespace skytrain::client
