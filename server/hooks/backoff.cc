#include "server/hooks/backoff.h"

#include <algorithm>

namespace skytrain {

absl::Duration HookBackoff::Pause(int failures, double random,
                                  std::optional<absl::Duration> asked) const {
  absl::Duration whole = first;
  for (int i = 1; i < failures && whole < longest; ++i) whole *= 2;
  const absl::Duration own = std::min(whole, longest) * (0.5 + random / 2);
  return std::max(own, std::min(asked.value_or(absl::ZeroDuration()), longest_wish));
}

}  // namespace skytrain
