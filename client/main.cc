#include <stdlib.h>

#include "client/api/interrupt.h"
#include "client/command_line.h"
#include "client/commands/context.h"

int main(int argc, char** argv) {
  // gRPC writes transport failures to stderr in words for its authors; our own messages name them.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  // Never destroyed: the thread that waits for signals uses it to the very end.
  static auto& interrupt = *new skytrain::client::Interrupt();
  interrupt.CatchSignals();
  skytrain::client::Context context(interrupt);
#ifdef SKYTRAIN_STATIC
  context.static_build = true;
#endif
  return skytrain::client::RunCommandLine(argc, argv, context);
}
