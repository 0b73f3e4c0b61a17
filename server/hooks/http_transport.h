#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/hooks/hook.h"
#include "server/hooks/transport.h"

namespace skytrain {

// What an answer means; `retry_after`: the header's, zero when there is none. Pure.
//   2xx: OK.  3xx: UNAVAILABLE, since redirects are not followed.  408, 425, 429, 5xx: UNAVAILABLE.
//   Other 4xx: FAILED_PRECONDITION, it would be refused again.
absl::Status JudgeAnswer(int http_code, absl::Duration retry_after, absl::string_view body);

// Posts the payload as application/json, with
//   X-Skytrain-Delivery:  the payload's id, the same at every try
//   X-Skytrain-Timestamp: seconds since 1970 of this try
//   X-Skytrain-Signature: see HookSignature
// The secret is read for each try, so that it can be replaced. TLS 1.2 or newer, the receiver's
// certificate and name verified. Follows no redirects, uses no proxy, keeps no connection.
class HttpTransport : public HookTransport {
 public:
  explicit HttpTransport(const Hook& hook);
  absl::Status Deliver(const HookRow& row, int cancel_fd) override;

 private:
  const std::string url_;
  const std::string secret_file_;
  const std::string ca_;
  const absl::Duration timeout_;
};

}  // namespace skytrain
