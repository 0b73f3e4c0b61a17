#include "client/render/format.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace skytrain::client {
namespace {

// Bytes of the valid UTF-8 character that `text` begins with; 0: none.
size_t CharacterSize(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return 1;
  size_t size = 0;
  uint32_t value = 0;
  uint32_t smallest = 0;
  if ((byte(0) & 0xe0) == 0xc0) {
    size = 2, value = byte(0) & 0x1f, smallest = 0x80;
  } else if ((byte(0) & 0xf0) == 0xe0) {
    size = 3, value = byte(0) & 0x0f, smallest = 0x800;
  } else if ((byte(0) & 0xf8) == 0xf0) {
    size = 4, value = byte(0) & 0x07, smallest = 0x10000;
  } else {
    return 0;
  }
  if (text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    value = value << 6 | (byte(i) & 0x3f);
  }
  const bool surrogate = value >= 0xd800 && value < 0xe000;
  return value < smallest || surrogate || value > 0x10ffff ? 0 : size;
}

std::string Clean(absl::string_view text, bool controls_too) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const size_t size = CharacterSize(text);
    const unsigned char first = text[0];
    const bool control = (first < 0x20 && first != '\n' && first != '\t') || first == 0x7f ||
                         (size == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0);
    if (size == 0 || (controls_too && control)) {
      clean += "\xef\xbf\xbd";
    } else {
      absl::StrAppend(&clean, text.substr(0, size));
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return clean;
}

}  // namespace

std::string FormatCount(int64_t count) {
  const std::string digits = absl::StrCat(count);
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    const bool after_digit = i > 0 && digits[i - 1] != '-';
    if (after_digit && (digits.size() - i) % 3 == 0) grouped += ',';
    grouped += digits[i];
  }
  return grouped;
}

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes);
  for (const char* unit : {"kB", "MB", "GB", "TB", "PB"}) {
    value /= 1000;
    if (value < 999.5) return absl::StrFormat("%.*f %s", value < 99.95 ? 1 : 0, value, unit);
  }
  return absl::StrFormat("%.0f EB", value / 1000);
}

std::string FormatMillions(int64_t count) {
  if (count < 100'000) return FormatCount(count);
  if (count < 1'000'000'000) return absl::StrFormat("%.1f M", static_cast<double>(count) / 1e6);
  return absl::StrFormat("%.1f G", static_cast<double>(count) / 1e9);
}

std::string FormatSpan(absl::Duration span) {
  if (span < absl::ZeroDuration()) span = absl::ZeroDuration();
  const double exact = absl::ToDoubleSeconds(span);
  if (exact < 9.95) return absl::StrFormat("%.1fs", exact);
  const int64_t seconds = std::llround(exact);
  if (seconds < 60) return absl::StrFormat("%ds", seconds);
  if (seconds < 3600) return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
  if (seconds < 86400) return absl::StrFormat("%dh%02dm", seconds / 3600, seconds / 60 % 60);
  return absl::StrFormat("%dd%dh", seconds / 86400, seconds / 3600 % 24);
}

std::string StartText(absl::Time start, absl::Time now) {
  if (start <= now) return "now";
  const absl::TimeZone zone = absl::LocalTimeZone();
  const bool today = absl::ToCivilDay(start, zone) == absl::ToCivilDay(now, zone);
  return absl::FormatTime(today ? "about %H:%M" : "about %b %e %H:%M", start, zone);
}

std::string FormatAge(absl::Duration span) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(span));
  if (seconds < 60) return absl::StrFormat("%ds", seconds);
  if (seconds < 120) return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
  if (seconds < 3600) return absl::StrFormat("%dm", seconds / 60);
  if (seconds < 2 * 86400) return absl::StrFormat("%dh", seconds / 3600);
  return absl::StrFormat("%dd", seconds / 86400);
}

std::string FormatMetric(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::fabs(value);
  if (value == 0) return "0";
  if (size < 1e-3 || size >= 1e5) return absl::StrFormat("%.1e", value);
  if (size < 10) return absl::StrFormat("%.4f", value);
  return absl::StrFormat("%.1f", value);
}

std::string FormatSha256(absl::string_view hex) {
  if (hex.size() < 8) return std::string(hex);
  return absl::StrCat(hex.substr(0, 4), "…", hex.substr(hex.size() - 2));
}

std::string Plural(int64_t count, absl::string_view noun) {
  return absl::StrCat(FormatCount(count), " ", noun, count == 1 ? "" : "s");
}

int DisplayWidth(absl::string_view text) {
  int width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && text[i] != 'm') ++i;
    } else if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) {
      ++width;
    }
  }
  return width;
}

std::string Ellipsize(absl::string_view text, int width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width <= 0) return "";
  size_t end = 0;
  for (int columns = 0; end < text.size(); ++end) {
    const bool starts = (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
    if (starts && ++columns == width) break;
  }
  return absl::StrCat(text.substr(0, end), "…");
}

std::string ValidUtf8(absl::string_view text) { return Clean(text, false); }
std::string Printable(absl::string_view text) { return Clean(text, true); }

std::string FieldLine(absl::string_view what, absl::string_view value, int width) {
  if (value.empty()) return "";
  const int gap = std::max(1, width - DisplayWidth(what));
  return absl::StrCat("  ", what, std::string(gap, ' '), value, "\n");
}

std::string ShortName(absl::string_view resource) {
  const std::vector<absl::string_view> parts = absl::StrSplit(resource, '/');
  if (parts.size() == 2 && parts[0] == "jobs") return std::string(parts[1]);
  if (parts.size() == 4 && parts[0] == "models" && parts[2] == "versions") {
    return absl::StrCat(parts[1], "@", parts[3]);
  }
  return std::string(absl::StripPrefix(resource, "datasets/"));
}

}  // namespace skytrain::client
