#include "server/hooks/http_transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/hooks/payload.h"
#include "server/hooks/signature.h"

namespace skytrain {
namespace {

constexpr size_t kMaxBodyBytes = 200;  // Of an answer, for the log.

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Multi = std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>;

class HeaderList {
 public:
  ~HeaderList() { curl_slist_free_all(list_); }
  void Add(const std::string& line) { list_ = curl_slist_append(list_, line.c_str()); }
  const curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

size_t KeepBeginning(char* data, size_t size, size_t count, void* user) {
  auto& body = *static_cast<std::string*>(user);
  body.append(data, std::min(size * count, kMaxBodyBytes - std::min(kMaxBodyBytes, body.size())));
  return size * count;
}

void SetUp(CURL* easy, const std::string& url, const std::string& ca, absl::Duration timeout,
           const std::string& body) {
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");  // None, whatever the environment says.
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!ca.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, ca.c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // The thread that asks a name server which does not answer ends by itself: nobody waits for it,
  // neither at the timeout nor at the daemon's end.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(timeout)));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "skytraind");
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, KeepBeginning);
}

// Runs the request to its end. False: cancelled.
bool Run(CURLM* multi, int cancel_fd, CURLcode* result) {
  *result = CURLE_FAILED_INIT;
  int running = 1;
  while (curl_multi_perform(multi, &running) == CURLM_OK && running > 0) {
    curl_waitfd cancel{cancel_fd, CURL_WAIT_POLLIN, 0};
    if (curl_multi_poll(multi, &cancel, cancel_fd < 0 ? 0 : 1, 1000, nullptr) != CURLM_OK) break;
    if (cancel.revents != 0) return false;
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg == CURLMSG_DONE) *result = message->data.result;
  }
  return true;
}

}  // namespace

absl::Status JudgeAnswer(int http_code, absl::Duration retry_after, absl::string_view body) {
  if (http_code / 100 == 2) return absl::OkStatus();
  const absl::string_view said = absl::StripAsciiWhitespace(body);
  const std::string text =
      absl::StrCat("the receiver answered ", http_code,
                   http_code / 100 == 3
                       ? ", a redirect, and redirects are not followed: set url to where it leads"
                       : "",
                   said.empty() ? "" : absl::StrCat(": ", said));
  const bool lasting =
      http_code / 100 == 4 && http_code != 408 && http_code != 425 && http_code != 429;
  if (lasting) return absl::FailedPreconditionError(text);
  absl::Status again = absl::UnavailableError(text);
  return retry_after > absl::ZeroDuration() ? WithRetryDelay(again, retry_after) : again;
}

HttpTransport::HttpTransport(const Hook& hook)
    : url_(hook.url), secret_file_(hook.secret_file), ca_(hook.ca), timeout_(hook.timeout) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

absl::Status HttpTransport::Deliver(const HookRow& row, int cancel_fd) {
  const auto secret = ReadSecret(secret_file_);
  // Somebody may be about to replace it.
  if (!secret.ok()) return absl::UnavailableError(secret.status().message());
  const int64_t now = absl::ToUnixSeconds(Clock::Real().Now());
  HeaderList headers;
  headers.Add("Content-Type: application/json");
  headers.Add("Expect:");  // Else a receiver is asked first, and waited for, above 1 MiB.
  headers.Add(absl::StrCat("X-Skytrain-Delivery: ", DeliveryId(row.job_uid, row.seq, row.hook)));
  headers.Add(absl::StrCat("X-Skytrain-Timestamp: ", now));
  headers.Add(absl::StrCat("X-Skytrain-Signature: ", HookSignature(*secret, now, row.payload)));

  const Easy easy(curl_easy_init(), &curl_easy_cleanup);
  const Multi multi(curl_multi_init(), &curl_multi_cleanup);
  if (easy == nullptr || multi == nullptr) return absl::UnavailableError("curl: out of memory");
  SetUp(easy.get(), url_, ca_, timeout_, row.payload);
  std::string body;
  std::array<char, CURL_ERROR_SIZE> error{};
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, error.data());
  curl_multi_add_handle(multi.get(), easy.get());
  CURLcode result = CURLE_OK;
  const bool ran = Run(multi.get(), cancel_fd, &result);
  curl_multi_remove_handle(multi.get(), easy.get());
  if (!ran) return absl::CancelledError("the daemon stops");
  if (result != CURLE_OK) {
    return absl::UnavailableError(error[0] != '\0' ? error.data() : curl_easy_strerror(result));
  }
  long code = 0;
  curl_off_t retry_after = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &code);
  curl_easy_getinfo(easy.get(), CURLINFO_RETRY_AFTER, &retry_after);
  return JudgeAnswer(static_cast<int>(code), absl::Seconds(retry_after), body);
}

}  // namespace skytrain
