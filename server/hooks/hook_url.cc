#include "server/hooks/hook_url.h"

#include <curl/curl.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace skytrain {
namespace {

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::string PartOf(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

bool IsThisMachine(const std::string& host) {
  return host == "localhost" || host == "[::1]" ||
         (absl::StartsWith(host, "127.") &&
          host.find_first_not_of("0123456789.") == std::string::npos);
}

}  // namespace

absl::Status CheckHookUrl(const std::string& url) {
  const Url parsed(curl_url(), &curl_url_cleanup);
  const CURLUcode error = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
  if (error != CURLUE_OK) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be https://HOST/PATH: ", curl_url_strerror(error)));
  }
  const std::string scheme = PartOf(parsed, CURLUPART_SCHEME);
  if (scheme == "http" && !IsThisMachine(PartOf(parsed, CURLUPART_HOST))) {
    return absl::InvalidArgumentError(
        "http:// is taken for this machine alone (localhost, 127.0.0.1, [::1]): write https://, "
        "else everybody on the way can read names of jobs and owners");
  }
  if (scheme != "http" && scheme != "https") {
    return absl::InvalidArgumentError(absl::StrCat("must be https://HOST/PATH, not ", scheme, ":"));
  }
  if (!PartOf(parsed, CURLUPART_USER).empty() || !PartOf(parsed, CURLUPART_PASSWORD).empty()) {
    return absl::InvalidArgumentError(
        "must hold no user or password: the receiver knows the daemon by the signature");
  }
  return absl::OkStatus();
}

}  // namespace skytrain
