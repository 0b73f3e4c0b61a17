#include "client/commands/context.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/exit_code.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<Client*> Context::Connect() {
  if (client_ == nullptr) {
    ASSIGN_OR_RETURN(Target target, ResolveTarget(server, TargetEnvironment::FromProcess()));
    client_ = std::make_unique<Client>(std::move(target), interrupt_);
  }
  return client_.get();
}

void Context::Out(absl::string_view text) {
  if (fwrite(text.data(), 1, text.size(), stdout) == text.size() && fflush(stdout) == 0) return;
  // A full disk behind a redirection: the result is not whole, and a script must not think so.
  perror("skytrain: cannot write the result");
  _Exit(kExitFailed);
}

void Context::Err(absl::string_view text) {
  fwrite(text.data(), 1, text.size(), stderr);
  fflush(stderr);
}

}  // namespace skytrain::client
