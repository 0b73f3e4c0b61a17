#pragma once

#include <memory>
#include <optional>
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
  TlsPaths tls;
  std::optional<absl::Duration> give_up;
  Format format = Format::kTable;
  bool static_build = false;  // Told by main.

  Interrupt& interrupt() { return interrupt_; }
  const Terminal& out() const { return out_; }
  const Terminal& err() const { return err_; }

  // The server that the command line and the environment name; see ResolveTarget for errors.
  absl::StatusOr<Target> FindTarget() const;
  // What the command line, the environment and the terminal say of the way to it; no token.
  ConnectOptions Options();
  // A client for it, with what the command line, the environment and the credentials file say of
  // certificates, tokens and ssh.
  absl::StatusOr<Client*> Connect();
  // The same, for `login`: a token that is not stored yet.
  absl::StatusOr<std::unique_ptr<Client>> ConnectWithToken(const Target& target,
                                                           const std::string& token);

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
