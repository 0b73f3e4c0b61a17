#include "server/hooks/transport.h"

#include "server/hooks/exec_transport.h"
#include "server/hooks/http_transport.h"

namespace skytrain {

std::unique_ptr<HookTransport> MakeHookTransport(const Hook& hook) {
  if (!hook.exec.empty()) return std::make_unique<ExecTransport>(hook.exec, hook.timeout);
  return std::make_unique<HttpTransport>(hook);
}

}  // namespace skytrain
