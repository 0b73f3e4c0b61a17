#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/api/hops.h"
#include "client/api/target.h"
#include "client/api/tls_files.h"

namespace skytrain::client {

// A TLS handshake over `fd`, a connected non-blocking socket, and the first bytes of HTTP/2 behind
// it. Nothing secret is sent. The hop "tls", see WalkToServer.
Hop ProbeTls(int fd, const Target& target, const TlsFiles& files, absl::Time deadline);

// What a client of HTTP/2 says first: the preface and empty SETTINGS.
std::string Http2Greeting();
// `bytes`, the first that a server said, are the frame that every HTTP/2 server begins with.
bool IsHttp2Settings(absl::string_view bytes);
constexpr size_t kHttp2FrameHeader = 9;

// False when `deadline` passed before `fd` was ready for `events` of poll(2).
bool WaitFor(int fd, short events, absl::Time deadline);

}  // namespace skytrain::client
