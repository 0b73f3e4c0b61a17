#pragma once

#include <string>
#include <vector>

#include "server/auth/audit_log.h"
#include "server/config/config.h"
#include "server/hooks/outbox.h"
#include "server/hooks/sender.h"
#include "server/jobs/state_outbox.h"
#include "server/metrics/hook_metrics.h"
#include "server/store/database.h"

namespace skytrain {

// The hooks of the configuration at work: what becomes of a delivery goes to the log and the
// metrics, and what nobody will be told any more to the audit log.
class DaemonHooks {
 public:
  // The others must outlive it. Says in the log what is wrong with a hook; the daemon serves all
  // the same.
  DaemonHooks(const Config& config, Database& database, AuditLog& audit, HookMetrics& metrics);

  // Empty when there are no hooks.
  StateOutbox outbox();
  void Start() { sender_.Start(); }
  void Shutdown() { sender_.Shutdown(); }

 private:
  HookOutbox::Options OutboxOptions(const Config& config);
  HookSender::Options SenderOptions();
  void Report(const HookReport& report);

  AuditLog& audit_;
  HookMetrics& metrics_;
  const bool any_;
  HookOutbox outbox_;
  HookSender sender_;
};

// `skytraind hook test NAME --config FILE`: sends a sample to a hook, as the daemon would. Prints
// for people; the exit code: 0, 1 (it was not delivered), 2 (usage).
int RunHookCommand(int argc, char** argv, const Surroundings& surroundings);

}  // namespace skytrain
