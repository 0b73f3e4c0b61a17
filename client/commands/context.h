#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/api/client.h"
#include "client/api/interrupt.h"
#include "client/render/terminal.h"

namespace skytrain::client {

enum class Format { kTable, kJson, kJsonl, kCsv };

// What every command works with. Results go to stdout, everything said on the way to stderr. Not
// thread-safe.
class Context {
 public:
  explicit Context(Interrupt& interrupt)
      : interrupt_(interrupt), out_(Terminal::Of(1)), err_(Terminal::Of(2)) {}

  // From the command line, set before the command runs.
  std::string server;
  Format format = Format::kTable;
  bool static_build = false;  // Told by main.

  Interrupt& interrupt() { return interrupt_; }
  const Terminal& out() const { return out_; }
  const Terminal& err() const { return err_; }

  // The server that the command line and the environment name; see ResolveTarget for errors.
  absl::StatusOr<Client*> Connect();

  // Written at once: a reader behind a pipe sees each event when it happens.
  void Out(absl::string_view text);
  void Err(absl::string_view text);

 private:
  Interrupt& interrupt_;
  const Terminal out_;
  const Terminal err_;
  std::unique_ptr<Client> client_;
};

}  // namespace skytrain::client
